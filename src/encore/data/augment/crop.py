"""Shifted pictures."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from encore.data.augment.arrays import first, moved, named
from encore.data.batch import AnyBatch, Inputs, Targets


class Crop:
    """A random window of the picture's own size, cut out of the picture with a border.

    Args:
        padding: width of the border in pixels.
        mode: `constant` (zeros, the mean where inputs are standardised), `reflect` or `replicate`.
        arrays: what is shifted together, such as [inputs, targets] for a picture and its mask.
        outside: what the border of a mask (whole numbers) is with `constant`: a class, or -100, which torch's
            cross-entropy leaves out.
    """

    def __init__(
        self, padding: int, mode: str = "constant", arrays: str | Sequence[str] = "inputs", outside: int = 0
    ) -> None:
        if padding < 1:
            raise ValueError(f"padding must be at least 1, not {padding}")
        if mode not in ("constant", "reflect", "replicate"):
            raise ValueError(f"unknown mode {mode!r}; choose from constant, reflect, replicate")
        self.padding, self.mode, self.arrays, self.outside = padding, mode, named(arrays), outside

    def __call__(self, inputs: Inputs, targets: Targets) -> AnyBatch:
        """Pictures [n, c, h, w] or masks [n, h, w]."""
        pictures = first(inputs, targets, self.arrays)
        top, left = torch.randint(2 * self.padding + 1, (2, len(pictures), 1), device=pictures.device)
        return moved(inputs, targets, self.arrays, lambda array: self.window(array, top, left))

    def window(self, array: Tensor, top: Tensor, left: Tensor) -> Tensor:
        """Windows of the bordered pictures that start at these rows and columns, each [n, 1]."""
        pictures = array if array.ndim == 4 else array[:, None]
        n, channels, height, width = pictures.shape
        padded = self.padded(pictures)
        rows = (top + torch.arange(height, device=array.device))[:, None, :, None]
        columns = (left + torch.arange(width, device=array.device))[:, None, None, :]
        example = torch.arange(n, device=array.device)[:, None, None, None]
        channel = torch.arange(channels, device=array.device)[None, :, None, None]
        return padded[example, channel, rows, columns].reshape(array.shape)

    def padded(self, pictures: Tensor) -> Tensor:
        border = [self.padding] * 4
        if pictures.is_floating_point():
            return F.pad(pictures, border, mode=self.mode)
        if self.mode == "constant":
            return F.pad(pictures, border, value=self.outside)
        # torch pads only floats by reflection or replication; both kinds hold class numbers exactly
        kind = torch.float32 if pictures.device.type == "mps" else torch.float64
        return F.pad(pictures.to(kind), border, mode=self.mode).to(pictures.dtype)
