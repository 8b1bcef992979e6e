"""Classification: which of several classes an example belongs to."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from encore.tasks.supervised import Supervised


class Classification(Supervised):
    """Train a net by cross-entropy.

    Args:
        label_smoothing: share of a training target that is spread over all classes (Szegedy et al. 2016).
        settings: those of `Supervised`.

    Outputs are logits [n, num_outputs], one per class; targets are class numbers, int64 [n], or, once mixed,
    probabilities [n, num_outputs].
    """

    def __init__(self, label_smoothing: float = 0.0, **settings: Any) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, not {label_smoothing}")
        super().__init__(**settings)
        self.label_smoothing = label_smoothing

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)

    def probabilities(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(1)

    def decision(self, outputs: Tensor) -> Tensor:
        return outputs.argmax(1)

    def truth(self, targets: Tensor) -> Tensor:
        """Class numbers [n]; mixed targets count as their most probable class."""
        return targets if targets.ndim == 1 else targets.argmax(1)
