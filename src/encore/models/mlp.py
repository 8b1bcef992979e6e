"""The multi-layer perceptron."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor, nn

NORMS: dict[str, Callable[[int], nn.Module] | None] = {
    "none": None,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}


class MLP(nn.Module):
    """Linear layers, each hidden one followed by normalisation, activation and dropout.

    Args:
        in_shape: an input's shape; it is flattened.
        num_outputs: number of outputs.
        widths: units of each hidden layer.
        activation: a class of torch.nn, such as ReLU, GELU or Tanh.
        dropout: dropout probability of hidden units.
        norm: `none`, `batch` (Ioffe and Szegedy 2015) or `layer` (Ba et al. 2016).
        pool: side of the pixel squares averaged before the first layer; 1 averages nothing.

    Inputs [n, *in_shape], outputs logits [n, num_outputs].
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        widths: Sequence[int],
        activation: str = "ReLU",
        dropout: float = 0.0,
        norm: Literal["none", "batch", "layer"] = "none",
        pool: int = 1,
    ) -> None:
        super().__init__()
        if any(width < 1 for width in widths):
            raise ValueError(f"widths must each be at least 1, not {widths}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {dropout}")
        if pool < 1:
            raise ValueError(f"pool must be at least 1, the side of the squares averaged over, not {pool}")
        if norm not in NORMS:
            raise ValueError(f"unknown norm {norm!r}; choose from {sorted(NORMS)}")
        if not hasattr(nn, activation):
            raise ValueError(f"unknown activation {activation!r}; it must be a class of torch.nn, such as ReLU")
        if pool != 1 and (len(in_shape) != 3 or in_shape[1] % pool or in_shape[2] % pool):
            raise ValueError(
                f"inputs {list(in_shape)} are not pictures that can be averaged over {pool} × {pool} pixels"
            )
        self.pool = nn.AvgPool2d(pool) if pool > 1 else nn.Identity()
        layers: list[nn.Module] = []
        units = math.prod(in_shape) // pool**2
        for width in widths:
            layers.append(nn.Linear(units, width))
            if (normalize := NORMS[norm]) is not None:
                layers.append(normalize(width))
            layers.append(getattr(nn, activation)())
            if dropout:
                layers.append(nn.Dropout(dropout))
            units = width
        self.layers = nn.Sequential(*layers, nn.Linear(units, num_outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layers(self.pool(inputs).flatten(1))
