"""Fashion-MNIST as a stream: its pictures turn gradually, or its classes come in turns."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.datasets import FashionMNIST

from encore.errors import ConfigError, InputError
from encore.seeding import derive

CLASSES = 10
CHUNK = 4096  # pictures that are turned at once


class Stream:
    """Fashion-MNIST's training pictures in the order in which they are read.

    Args:
        root: the data folder.
        drift: `rotation`: each picture is turned a little farther than the one before it; `classes`: first come those
            of the first classes, then those of the next ones.
        tasks: equal parts of the stream; of `classes`, each has as many classes.
        degrees: by how much the last picture is turned, counter-clockwise.
        examples: only so many of them; null: all 60,000.
        seed: of the order, apart from the drift.

    Attributes:
        data: uint8 [n, 28, 28].
        label: classes, int64 [n].
        task: which part of the stream each is in, from 0, int64 [n].

    Raises:
        FileNotFoundError: Fashion-MNIST is not there.
        InputError: the stream has fewer examples.
    """

    def __init__(
        self,
        root: str,
        drift: str,
        tasks: int,
        degrees: float = 180.0,
        examples: int | None = None,
        seed: int = 0,
    ) -> None:
        if drift not in ("rotation", "classes"):
            raise ConfigError(f"data.train.drift must be rotation or classes, not {drift}")
        if tasks < 2 or (drift == "classes" and CLASSES % tasks):
            raise ConfigError(f"data.train.tasks={tasks}: must be at least 2, and divide the {CLASSES} classes")
        try:
            whole = FashionMNIST(root, train=True)
        except RuntimeError as problem:  # torchvision's, of files that are missing
            raise FileNotFoundError(f"{problem}; python scripts/fetch_data.py fashion_mnist fetches it") from None
        count = len(whole) if examples is None else examples
        if not tasks <= count <= len(whole):
            raise InputError(
                f"the stream ends after {len(whole):,} examples: data.train.examples={count} must be at most that, "
                f"and at least data.train.tasks={tasks}"
            )
        order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(derive(seed, "stream")))[:count]
        pictures, label = whole.data[order], whole.targets[order]
        if drift == "classes":
            task = label // (CLASSES // tasks)
            turns = task.argsort(stable=True)
            self.data, self.label, self.task = pictures[turns], label[turns], task[turns]
        else:
            place = torch.arange(count)
            self.label, self.task = label, place * tasks // count
            self.data = turned(pictures, degrees * place / max(1, count - 1))


def turned(pictures: Tensor, degrees: Tensor) -> Tensor:
    """Pictures, bytes [n, height, width], each turned about its middle by its own angle [n], counter-clockwise."""
    found = []
    for part, angles in zip(pictures.split(CHUNK), (degrees * math.pi / 180).split(CHUNK), strict=True):
        cosine, sine, none = angles.cos(), angles.sin(), torch.zeros_like(angles)
        turns = torch.stack([torch.stack([cosine, -sine, none], 1), torch.stack([sine, cosine, none], 1)], 1)
        values = part[:, None].float()
        grid = F.affine_grid(turns, list(values.shape), align_corners=False)
        found.append(F.grid_sample(values, grid, align_corners=False)[:, 0].round().to(torch.uint8))
    return torch.cat(found)
