"""How raw arrays are laid out: types and channels."""

from math import prod

import torch
from torch import Tensor


def natural(values: Tensor) -> Tensor:
    """Keep bytes as they are; convert everything else to float32."""
    return values if values.dtype == torch.uint8 else values.float()


def arranged(inputs: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Inputs as [n, *shape]: channels first, a single channel made explicit, flat rows reshaped; None on a misfit."""
    found = tuple(inputs.shape[1:])
    if len(shape) == 3 and found != shape and found == (*shape[1:], shape[0]):
        return inputs.permute(0, 3, 1, 2).contiguous()
    flat = 1 in (len(found), len(shape)) and prod(found) == prod(shape)
    return inputs.reshape(-1, *shape).contiguous() if found == shape or (1, *found) == shape or flat else None
