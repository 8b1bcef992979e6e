"""One linear layer: linear regression, or softmax regression, whose softmax is part of the loss."""

import math
from collections.abc import Sequence

from torch import Tensor, nn


class Linear(nn.Module):
    """One linear layer with a bias.

    Args:
        in_shape: of an input.
        num_classes: outputs.
        weight: that all weights begin with; None draws them.
        bias: that all biases begin with; None draws them.

    Inputs [n, *in_shape], outputs [n, num_classes].
    """

    def __init__(
        self, in_shape: Sequence[int], num_classes: int, weight: float | None = None, bias: float | None = None
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(math.prod(in_shape), num_classes)
        for parameter, start in ((self.linear.weight, weight), (self.linear.bias, bias)):
            if start is not None:
                nn.init.constant_(parameter, start)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs of a batch."""
        return self.linear(inputs.flatten(1))
