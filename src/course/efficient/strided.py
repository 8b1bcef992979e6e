"""A convolutional net that halves its pictures with each convolution, and variants that cost less."""

import math
from collections.abc import Sequence
from typing import Literal

from torch import nn


class Strided(nn.Sequential):
    """Convolutions of 3 × 3 with stride 2, batch norm and ReLU; then a head.

    Args:
        in_shape: channels, height and width of a picture.
        num_outputs: number of outputs.
        channels: of each convolution.
        separable: each convolution but the first is one per channel and one of 1 × 1 (Howard et al. 2017).
        head: `connected` flattens the features for linear layers; `pooled` is a 1 × 1 convolution to the outputs, and
            the mean of each over all places (Lin et al. 2013).
        hidden: units of a hidden layer in a connected head; 0: none.

    Inputs [n, *in_shape], outputs logits [n, num_outputs].
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        num_outputs: int,
        channels: Sequence[int] = (16, 32, 64),
        separable: bool = False,
        head: Literal["connected", "pooled"] = "connected",
        hidden: int = 0,
    ) -> None:
        super().__init__()
        if not channels or any(width < 1 for width in channels):
            raise ValueError(f"channels must list at least one convolution, each at least 1, not {channels}")
        if head not in ("connected", "pooled"):
            raise ValueError(f"unknown head {head!r}; choose connected or pooled")
        if hidden < 0 or (hidden and head == "pooled"):
            raise ValueError(
                f"hidden must be at least 0, and 0 with head=pooled, which has no such layer, not {hidden}"
            )
        if len(in_shape) != 3:
            raise ValueError(f"a convolutional net needs inputs of [channels, height, width], not {list(in_shape)}")
        before, *sides = in_shape
        layers: list[nn.Module] = []
        for place, width in enumerate(channels):
            layers += convolution(before, width, separable and place > 0)
            before, sides = width, [math.ceil(side / 2) for side in sides]
        self.features = nn.Sequential(*layers)
        if head == "pooled":
            self.head = nn.Sequential(nn.Conv2d(before, num_outputs, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        else:
            units = before * math.prod(sides)
            between = [nn.Linear(units, hidden), nn.ReLU()] if hidden else []
            self.head = nn.Sequential(nn.Flatten(), *between, nn.Linear(hidden or units, num_outputs))


def convolution(before: int, width: int, separable: bool) -> list[nn.Module]:
    """One of stride 2 with its norm, in one piece or in two."""
    if not separable:
        return normed(nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False))
    each = nn.Conv2d(before, before, 3, stride=2, padding=1, groups=before, bias=False)
    return [*normed(each), *normed(nn.Conv2d(before, width, 1, bias=False))]


def normed(layer: nn.Conv2d) -> list[nn.Module]:
    return [layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU()]
