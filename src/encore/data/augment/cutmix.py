"""Pictures with a rectangle of another."""

import torch
from torch import Tensor

from encore.data.augment.draws import beta, mix, positive, probabilities, rectangles
from encore.data.batch import Batch


class CutMix:
    """Replace a rectangle of each picture by another picture's, and mix targets by area (Yun et al. 2019).

    Args:
        alpha: of the Beta distribution that the area kept is drawn from.
        num_classes: length of the mixed targets.
    """

    def __init__(self, alpha: float, num_classes: int) -> None:
        self.alpha, self.num_classes = positive("alpha", alpha), num_classes

    def __call__(self, inputs: Tensor, targets: Tensor) -> Batch:
        """Inputs [n, c, h, w]; targets become probabilities [n, classes]."""
        n, _, height, width = inputs.shape
        other = torch.randperm(n, device=inputs.device)
        side = (1 - beta(self.alpha, inputs)).sqrt()
        rows, columns = (side * height).round(), (side * width).round()
        y, x = torch.rand(2, n, device=inputs.device)
        # The centre is uniform over the picture, and what falls outside is cut off, as published.
        top, left = (y * height - rows / 2).floor(), (x * width - columns / 2).floor()
        replaced = rectangles(inputs, top, rows, left, columns)
        kept = 1 - replaced.flatten(1).to(inputs.dtype).mean(1)
        mixed = torch.where(replaced, inputs[other], inputs)
        return mixed, mix(probabilities(targets, self.num_classes, inputs), other, kept)
