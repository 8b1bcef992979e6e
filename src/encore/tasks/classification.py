"""Classification: which of several classes an example belongs to."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from encore.tasks.supervised import Supervised


class Classification(Supervised):
    """Train a net by cross-entropy.

    Args:
        label_smoothing: part of a training target that is spread over all classes (Szegedy et al. 2016).
        settings: those of `Supervised`.

    Outputs are logits [n, num_outputs], one a class; targets are class numbers, int64 [n], or, once mixed,
    probabilities [n, num_outputs].
    """

    def __init__(self, label_smoothing: float = 0.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.label_smoothing = label_smoothing

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(outputs, targets)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy with smoothed targets."""
        return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Their softmax."""
        return outputs.softmax(1)

    def decision(self, outputs: Tensor) -> Tensor:
        """The largest one's."""
        return outputs.argmax(1)

    def truth(self, targets: Tensor) -> Tensor:
        """Class numbers [n]; probabilities count as their largest."""
        return targets if targets.ndim == 1 else targets.argmax(1)
