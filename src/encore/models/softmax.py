"""Softmax regression."""

import math
from collections.abc import Sequence

from torch import Tensor, nn


class Softmax(nn.Module):
    """One linear layer; the softmax itself is part of the loss.

    Inputs [n, *in_shape], outputs logits [n, num_classes].
    """

    def __init__(self, in_shape: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(math.prod(in_shape), num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.linear(inputs.flatten(1))
