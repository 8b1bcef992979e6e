"""Examples mixed in pairs."""

import torch
from torch import Tensor

from encore.data.augment.draws import beta, mix, positive, probabilities
from encore.data.batch import Batch


class Mixup:
    """Mix each example with another, inputs and targets alike (Zhang et al. 2018).

    Args:
        alpha: of the Beta distribution that the share is drawn from; larger mixes more.
        num_classes: length of the mixed targets.
    """

    def __init__(self, alpha: float, num_classes: int) -> None:
        self.alpha, self.num_classes = positive("alpha", alpha), num_classes

    def __call__(self, inputs: Tensor, targets: Tensor) -> Batch:
        """Inputs [n, …]; targets become probabilities [n, classes]."""
        other = torch.randperm(len(inputs), device=inputs.device)
        share = beta(self.alpha, inputs)
        weights = share.view(-1, *[1] * (inputs.ndim - 1))
        mixed = weights * inputs + (1 - weights) * inputs[other]
        return mixed, mix(probabilities(targets, self.num_classes, inputs), other, share)
