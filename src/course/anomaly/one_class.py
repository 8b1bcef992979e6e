"""MNIST and Fashion-MNIST with one class for normal: training pictures are of that class alone."""

from typing import Any

import torch
from torch import Tensor
from torchvision import datasets

from encore.errors import ConfigError

CLASSES = ["normal", "anomaly"]


def pictures_of(held: Any, normal: int, train: bool, contrast: bool) -> tuple[Tensor, Tensor]:
    """Pictures, and whether each is an anomaly, int64 [n]; of a training set only those of the normal class.

    Raises:
        ConfigError: there is no such class.
    """
    labels: Tensor = held.targets
    classes = int(labels.max()) + 1
    if not 0 <= normal < classes:
        raise ConfigError(f"data.normal must be a class from 0 to {classes - 1}, not {normal}")
    anomalous = (labels != normal).long()
    kept = anomalous == 0 if train else torch.ones_like(labels, dtype=torch.bool)
    pictures: Tensor = held.data[kept]
    return even(pictures) if contrast else pictures, anomalous[kept]


def even(pictures: Tensor) -> Tensor:
    """Pictures of equal mean and equal mean absolute deviation (global contrast normalisation by the L1 norm)."""
    pixels = pictures.float()
    pixels = pixels - pixels.mean((1, 2), keepdim=True)
    return pixels / pixels.abs().mean((1, 2), keepdim=True).clamp(min=1e-6)


class MNIST(datasets.MNIST):
    """Digits, of which one is normal.

    Args:
        root: the data folder.
        normal: the normal class.
        contrast: whether each picture's contrast is made equal, as Ruff et al. (2018) do.
        settings: torchvision's.

    Attributes:
        data: uint8 or, where contrast is made equal, float32 [n, 28, 28].
        targets: 0 for normal pictures, 1 for anomalies, int64 [n].
    """

    classes = CLASSES

    def __init__(
        self, root: str, normal: int, train: bool = True, contrast: bool = True, download: bool = False, **settings: Any
    ) -> None:
        super().__init__(root, train=train, download=download, **settings)
        self.data, self.targets = pictures_of(self, normal, train, contrast)


class FashionMNIST(MNIST, datasets.FashionMNIST):
    """Clothes, of which one kind is normal; arguments and attributes as of `MNIST`."""
