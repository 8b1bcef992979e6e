"""Segmentation: which of several classes each pixel belongs to."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from encore.tasks.supervised import Supervised


class Segmentation(Supervised):
    """Train a net by cross-entropy of each pixel.

    Args:
        ignore_index: class number of pixels that are ignored.
        settings: those of `Supervised`; num_outputs is the number of classes.

    Outputs are logits [n, num_outputs, h, w], targets class numbers [n, h, w] or [n, 1, h, w], of any integer type.
    Of the dict that torchvision's models return, `out` is scored.
    """

    def __init__(self, ignore_index: int = -100, **settings: Any) -> None:
        super().__init__(**settings)
        self.ignore_index = ignore_index

    def forward(self, inputs: Any) -> Tensor:
        """Logits of normalised pictures, also where the net returns a dict."""
        outputs = super().forward(inputs)
        logits: Tensor = outputs["out"] if isinstance(outputs, dict) else outputs
        return logits

    def output_shape(self, inputs: Any) -> list[int] | None:
        """One score map per class, if there is one input picture per example."""
        if not isinstance(inputs, Tensor) or self.num_outputs is None:
            return None
        return [len(inputs), self.num_outputs, *inputs.shape[2:]]

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, averaged over all pixels."""
        return F.cross_entropy(outputs, self.truth(targets), ignore_index=self.ignore_index)

    def truth(self, targets: Tensor) -> Tensor:
        """Class numbers [n, h, w]."""
        return (targets[:, 0] if targets.ndim == 4 else targets).long()
