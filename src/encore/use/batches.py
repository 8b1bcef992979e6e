"""What a data module of one's own says of its examples: its batches, and what else `encore.runner.contracts` lists."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from encore.config.facts import opens_test
from encore.data.sources import ArraySource
from encore.errors import InputError
from encore.record.inputs import ALONE
from encore.runner.any_loader import seed_loaders
from encore.use.inputs import Inputs

LARGEST = 2**31  # bytes of the examples that are held at once


class Batches:
    """A data module's examples, as its loaders give them.

    Args:
        data: the data module, set up for the test, with a trainer.
        cfg: the run's config.
    """

    def __init__(self, data: Any, cfg: dict) -> None:
        self.data, self.cfg = data, cfg
        self.name, self.kind = cfg["data"]["name"], type(data).__name__
        seed_loaders(data, data.trainer, cfg["seed"])

    def splits(self) -> list[str]:
        """Those that there are: of test, val and train."""
        closed = [] if opens_test(self.cfg) else ["test"]
        return [name for name in ("test", "val", "train")
                if name not in closed and is_overridden(f"{name}_dataloader", self.data)]  # fmt: skip

    def of(self, split: str) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Inputs and targets of each batch of a split, on the CPU, as in the run's test.

        Raises:
            InputError: there is no such split, or its batches are something else.
        """
        if split not in self.splits():
            raise InputError(f"data={self.name} has no {split} set")
        if split != "test":
            self.data.setup("fit")
        loader = getattr(self.data, f"{split}_dataloader")()
        if isinstance(loader, list | tuple) and len(loader) == 1:
            (loader,) = loader
        if isinstance(loader, Mapping | list | tuple) or not hasattr(loader, "__iter__"):
            raise InputError(f"data={self.name}: {self.kind}.{split}_dataloader gives several loaders, not one")
        for batch in loader:
            batch = self.data.on_after_batch_transfer(self.data.on_before_batch_transfer(batch, 0), 0)
            yield self.parts(batch)

    def parts(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """A batch's inputs and targets; no targets of a batch that is inputs alone."""
        pair = batch if isinstance(batch, list | tuple) else [batch]
        if len(pair) > 2 or not all(isinstance(part, Tensor) for part in pair):
            raise InputError(
                f"data={self.name}: {self.kind}'s batches are not one tensor of inputs and one of targets, which "
                "predict, export and evaluate read: call encore.load(RUN).task in Python"
            )
        return pair[0], pair[1] if len(pair) == 2 else None

    def inputs(self) -> Inputs:
        """What a net's inputs are, by the first batch.

        Raises:
            InputError: there is none, or it tells nothing.
        """
        with isolate_rng():
            for split in self.splits():
                for inputs, _ in self.of(split):
                    return self.described(inputs)
        raise InputError(f"data={self.name}: {self.kind} gives no batch, which would say what the net's inputs are")

    def described(self, inputs: Tensor) -> Inputs:
        array = {
            "shape": list(inputs.shape[1:]), "dtype": str(inputs.dtype).removeprefix("torch."),
            "range": None, "center": None, "scale": None,
        }  # fmt: skip
        held = Inputs({}, {"classes": class_names(self.data), "arrays": {ALONE: array}, "targets": None}, None)
        held.to_input = getattr(self.data, "to_input", None)
        held.module = self.kind
        return held

    def source(self, split: str, cut: bool) -> ArraySource:
        """A split's examples in one.

        Args:
            split: test, val or train.
            cut: whether some will do where there are too many; else they are refused.

        Raises:
            InputError: there are none, or too many.
        """
        inputs: list[Tensor] = []
        targets: list[Tensor] = []
        size = 0
        with isolate_rng():
            for some, of_some in self.of(split):
                size += some.nbytes
                if size > LARGEST and cut and inputs:
                    break
                if size > LARGEST:
                    raise InputError(f"data={self.name}: its {split} set takes more than {LARGEST / 1e9:.0f} GB")
                inputs.append(some.cpu())
                targets.append(torch.zeros(len(some)) if of_some is None else of_some.cpu())
        if not inputs:
            raise InputError(f"data={self.name}: its {split} set is empty")
        if len({part.shape[1:] for part in inputs}) > 1:
            raise InputError(f"data={self.name}: its batches differ in shape: call encore.load(RUN).task in Python")
        return ArraySource(torch.cat(inputs), torch.cat(targets), class_names(self.data))


def class_names(data: Any) -> list[str] | None:
    """The names in a data module's `classes`; None if it has none."""
    names = getattr(data, "classes", None)
    return list(map(str, names)) if isinstance(names, list | tuple | np.ndarray) and len(names) else None
