"""Mirrored pictures."""

from collections.abc import Sequence

import torch
from torch import Tensor

from encore.data.augment.arrays import first, moved, named, per_example
from encore.data.augment.draws import in_unit_interval
from encore.data.batch import AnyBatch, Inputs, Targets


class Flip:
    """Mirror pictures left to right with a probability.

    Args:
        probability: of a picture to be mirrored.
        arrays: what is mirrored together, such as [inputs, targets] for a picture and its mask.
    """

    def __init__(self, probability: float = 0.5, arrays: str | Sequence[str] = "inputs") -> None:
        self.probability, self.arrays = in_unit_interval("probability", probability), named(arrays)

    def __call__(self, inputs: Inputs, targets: Targets) -> AnyBatch:
        """Pictures [n, …, h, w]."""
        pictures = first(inputs, targets, self.arrays)
        chosen = torch.rand(len(pictures), device=pictures.device) < self.probability

        def mirrored(array: Tensor) -> Tensor:
            return torch.where(per_example(chosen, array), array.flip(-1), array)

        return moved(inputs, targets, self.arrays, mirrored)
