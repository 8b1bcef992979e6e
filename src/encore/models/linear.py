"""One linear layer: linear regression, or softmax regression, whose softmax is part of the loss."""

import math
from collections.abc import Sequence

from torch import Tensor, nn


class Linear(nn.Module):
    """One linear layer with a bias.

    Args:
        in_shape: an input's shape; it is flattened.
        num_outputs: number of outputs.
        weight: initial value of all weights; None draws them.
        bias: initial value of all biases; None draws them.

    Inputs [n, *in_shape], outputs [n, num_outputs].
    """

    def __init__(
        self, in_shape: Sequence[int], num_outputs: int, weight: float | None = None, bias: float | None = None
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(math.prod(in_shape), num_outputs)
        for parameter, start in ((self.linear.weight, weight), (self.linear.bias, bias)):
            if start is not None:
                nn.init.constant_(parameter, start)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.linear(inputs.flatten(1))
