"""A random direction in which nets of different scale can be compared."""

from collections.abc import Mapping

import torch
from torch import Tensor


def filter_normalised(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """A Gaussian direction each of whose filters has the norm of the same filter of the weights (Li et al. 2018).

    A filter computes one output: in a linear layer, a row. Parameters with one axis, biases and those of norms, are not
    moved, as in the paper.

    Args:
        weights: by name; the direction has their names, shapes and devices.
        generator: of the CPU.
    """
    return {name: as_long(gaussian(weight, generator), weight.detach()) for name, weight in weights.items()}


def gaussian(weight: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers of a weight's shape, the same on every device."""
    return torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(weight)


def as_long(drawn: Tensor, weight: Tensor) -> Tensor:
    """Scale a direction's filters to the norms of the weight's; zeros for parameters without filters."""
    if weight.ndim < 2:
        return torch.zeros_like(weight)
    lengths = weight.flatten(1).norm(dim=1) / drawn.flatten(1).norm(dim=1)
    return drawn * lengths.view(-1, *[1] * (weight.ndim - 1))
