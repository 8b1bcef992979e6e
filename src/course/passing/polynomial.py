"""Polynomial regression."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Polynomial(nn.Module):
    """A linear layer over the Legendre polynomials of degree 1 to `degree` in one input, which is from -1 to 1.

    They span what the powers span, and are nearly uncorrelated, so that plain optimisers find the least squares.

    Inputs [n, 1], outputs [n, num_outputs].
    """

    def __init__(self, in_shape: Sequence[int], num_outputs: int, degree: int) -> None:
        super().__init__()
        if list(in_shape) != [1]:
            raise ValueError(f"a polynomial is of one input, not of {list(in_shape)}")
        if degree < 1:
            raise ValueError(f"degree must be at least 1, not {degree}")
        self.degree = degree
        self.linear = nn.Linear(degree, num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        terms = [torch.ones_like(inputs), inputs]
        for n in range(1, self.degree):
            terms.append(((2 * n + 1) * inputs * terms[n] - n * terms[n - 1]) / (n + 1))
        return self.linear(torch.cat(terms[1:], 1))
