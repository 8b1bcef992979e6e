"""The multi-layer perceptron."""

import math
from collections.abc import Callable, Sequence

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
        num_classes: number of outputs.
        widths: units of each hidden layer.
        activation: a class of torch.nn, such as ReLU, GELU or Tanh.
        dropout: probability that a hidden unit is left out in training.
        norm: `none`, `batch` (Ioffe and Szegedy 2015) or `layer` (Ba et al. 2016).
        pool: side of the squares of pixels that are averaged first; with 1 pictures stay as they are.

    Inputs [n, *in_shape], outputs logits [n, num_classes].
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_classes: int,
        widths: Sequence[int],
        activation: str = "ReLU",
        dropout: float = 0.0,
        norm: str = "none",
        pool: int = 1,
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"unknown norm {norm!r}; choose from {sorted(NORMS)}")
        if not hasattr(nn, activation):
            raise ValueError(f"unknown activation {activation!r}; it is a class of torch.nn, such as ReLU")
        if pool != 1 and (len(in_shape) != 3 or pool < 1 or in_shape[1] % pool or in_shape[2] % pool):
            raise ValueError(
                f"inputs {list(in_shape)} are no pictures that can be averaged over {pool} × {pool} pixels"
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
        self.layers = nn.Sequential(*layers, nn.Linear(units, num_classes))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.layers(self.pool(inputs).flatten(1))
