"""Pictures with a rectangle erased."""

import math
from collections.abc import Sequence

import torch

from encore.data.augment.arrays import first, moved, named
from encore.data.augment.draws import between, in_unit_interval, rectangles
from encore.data.batch import AnyBatch, Inputs, Targets


class RandomErasing:
    """Set a random rectangle to zero with a probability (Zhong et al. 2020).

    Args:
        probability: of a picture to be erased in.
        area: least and greatest part of the picture that is erased.
        ratio: least and greatest height over width.
        arrays: pictures of one size that the same rectangle is erased in.
    """

    def __init__(
        self,
        probability: float = 0.5,
        area: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        arrays: str | Sequence[str] = "inputs",
    ) -> None:
        self.probability = in_unit_interval("probability", probability)
        self.area = [in_unit_interval("area", bound) for bound in area]
        if min(ratio) <= 0:
            raise ValueError(f"ratio must be greater than 0, not {ratio}")
        self.ratio, self.arrays = list(ratio), named(arrays)

    def __call__(self, inputs: Inputs, targets: Targets) -> AnyBatch:
        """Pictures [n, c, h, w]."""
        pictures = first(inputs, targets, self.arrays)
        n, _, height, width = pictures.shape
        chosen, area, ratio, y, x = torch.rand(5, n, device=pictures.device)
        area = between(self.area, area) * height * width
        ratio = between([math.log(bound) for bound in self.ratio], ratio).exp()
        rows = (area * ratio).sqrt().round().clamp(max=height)
        columns = (area / ratio).sqrt().round().clamp(max=width)
        erased = rectangles(pictures, y * (height - rows + 1), rows, x * (width - columns + 1), columns)
        erased &= (chosen < self.probability)[:, None, None, None]
        return moved(inputs, targets, self.arrays, lambda array: array.masked_fill(erased, 0.0))
