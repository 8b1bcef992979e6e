"""Classification: which of several classes an example belongs to."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from encore.errors import ConfigError
from encore.tasks.supervised import Supervised
from encore.tasks.weighting import balanced_weights, weighted_cross_entropy


class Classification(Supervised):
    """Train a net by cross-entropy.

    Args:
        label_smoothing: share of a training target that is spread over all classes (Szegedy et al. 2016).
        class_weights: by which examples count in the training loss: a number for each class; `balanced`, by the
            reciprocals of the classes' frequencies among the training examples; None: all alike.
        focal_gamma: γ of the focal loss, by which examples that are right already count less; 0: all alike.
        settings: those of `Supervised`.

    Outputs are logits [n, num_outputs], one per class; targets are class numbers, int64 [n], or, once mixed,
    probabilities [n, num_outputs].
    """

    class_weight: Tensor | None

    def __init__(
        self,
        label_smoothing: float = 0.0,
        class_weights: str | list[float] | None = None,
        focal_gamma: float = 0.0,
        **settings: Any,
    ) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, not {label_smoothing}")
        if isinstance(class_weights, str) and class_weights != "balanced":
            raise ValueError(f"class_weights must be balanced, null or a number for each class, not {class_weights}")
        if isinstance(class_weights, list) and not (min(class_weights) >= 0 and max(class_weights) > 0):
            raise ValueError(f"class_weights must be at least 0, and not all 0: {class_weights}")
        if focal_gamma < 0:
            raise ValueError(f"focal_gamma must be at least 0, not {focal_gamma}")
        super().__init__(**settings)
        self.label_smoothing, self.class_weights, self.focal_gamma = label_smoothing, class_weights, focal_gamma
        weights = torch.tensor(class_weights) if isinstance(class_weights, list) else None
        if weights is not None and self.num_outputs not in (None, len(weights)):
            raise ConfigError(f"task.class_weights has {len(weights)} numbers for {self.num_outputs} classes")
        self.register_buffer("class_weight", weights)

    def adapt_to(self, data: Any) -> None:
        """Count the training examples of each class, if weights are to balance them."""
        if self.class_weights == "balanced":
            if not hasattr(data, "class_counts"):
                raise ConfigError(f"task.class_weights=balanced: {type(data).__name__} does not count its classes")
            self.class_weight = balanced_weights(data.class_counts(self.num_outputs))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.class_weight is None and not self.focal_gamma:
            return F.cross_entropy(outputs, targets, label_smoothing=self.label_smoothing)
        return weighted_cross_entropy(outputs, targets, self.class_weight, self.focal_gamma, self.label_smoothing)

    def probabilities(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(1)

    def decision(self, outputs: Tensor) -> Tensor:
        return outputs.argmax(1)

    def truth(self, targets: Tensor) -> Tensor:
        """Class numbers [n]; mixed targets count as their most probable class."""
        return targets if targets.ndim == 1 else targets.argmax(1)
