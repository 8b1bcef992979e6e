"""A norm of the weights as a term of the training loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "l1": lambda weights: weights.abs().sum(),
    "l2": torch.linalg.vector_norm,
    "l2_squared": lambda weights: weights.square().sum(),
}


@dataclass(frozen=True)
class Penalty:
    """weight · the sum of a norm over a net's trained parameters.

    Attributes:
        norm: of each parameter tensor: `l1`, the sum of absolute values; `l2`, the 2-norm; `l2_squared`, the sum of
            squares, whose gradient is that of a weight decay of 2 · weight.
        weight: λ.
        exclude_bias_and_norm: leave out biases and norm parameters, which have one dimension.
    """

    norm: Literal["l1", "l2", "l2_squared"] = "l2_squared"
    weight: float = 0.0
    exclude_bias_and_norm: bool = False

    def __call__(self, net: nn.Module) -> Tensor:
        return self.of([each for each in net.parameters() if each.requires_grad])

    def of(self, parameters: Sequence[Tensor]) -> Tensor:
        """The penalty of these parameters."""
        least = 2 if self.exclude_bias_and_norm else 0
        norms = [NORMS[self.norm](each) for each in parameters if each.ndim >= least]
        return self.weight * torch.stack(norms).sum() if norms else torch.zeros(())


def penalty(settings: dict | None) -> Penalty | None:
    """The penalty of `task.penalty`; None if it adds nothing."""
    return Penalty(**settings) if settings and settings.get("weight") else None
