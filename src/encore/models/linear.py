"""One linear layer: linear regression, or softmax regression, whose softmax is part of the loss."""

import math
from collections.abc import Sequence

from torch import Tensor, nn


class Linear(nn.Module):
    """One linear layer with a bias.

    Inputs [n, *in_shape], outputs [n, num_classes].
    """

    def __init__(self, in_shape: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(math.prod(in_shape), num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs of a batch."""
        return self.linear(inputs.flatten(1))
