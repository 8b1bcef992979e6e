"""Noise on the inputs."""

from collections.abc import Sequence

import torch

from encore.data.augment.arrays import moved, named
from encore.data.batch import AnyBatch, Inputs, Targets


class Noise:
    """Add Gaussian noise.

    Args:
        std: its standard deviation.
        arrays: what it is added to, each with separate noise.
    """

    def __init__(self, std: float, arrays: str | Sequence[str] = "inputs") -> None:
        if std < 0:
            raise ValueError(f"std must be at least 0, not {std}")
        self.std, self.arrays = std, named(arrays)

    def __call__(self, inputs: Inputs, targets: Targets) -> AnyBatch:
        """Arrays of any shape."""
        return moved(inputs, targets, self.arrays, lambda array: array + self.std * torch.randn_like(array))
