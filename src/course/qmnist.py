"""QMNIST: MNIST's pictures, with all that is known of each (Yadav and Bottou 2019)."""

from typing import Any

from torch import Tensor
from torchvision import datasets

# Columns of the extended labels.
CLASS, WRITER = 0, 2


class QMNIST(datasets.QMNIST):
    """Pictures, their classes, and who wrote them.

    Attributes:
        data: uint8 [n, 28, 28].
        targets: the digits, int64 [n].
        writers: the writers' numbers, int64 [n].

    Args:
        settings: torchvision's.
    """

    def __init__(self, root: str, train: bool = True, download: bool = False, **settings: Any) -> None:
        super().__init__(root, train=train, download=download, **settings)
        labels: Tensor = self.targets  # type: ignore[has-type]
        self.targets, self.writers = labels[:, CLASS], labels[:, WRITER]
