"""What several augmentations need: random draws per example, rectangles, mixed targets."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def between(bounds: Sequence[float], place: Tensor) -> Tensor:
    """Interpolate from the first bound (`place` 0) to the second (`place` 1)."""
    low, high = bounds
    return low + (high - low) * place


def rectangles(inputs: Tensor, top: Tensor, rows: Tensor, left: Tensor, columns: Tensor) -> Tensor:
    """A mask [n, 1, h, w] with one rectangle per example; each argument after the inputs is [n]."""
    down = torch.arange(inputs.shape[-2], device=inputs.device)
    across = torch.arange(inputs.shape[-1], device=inputs.device)
    top, bottom = top.floor()[:, None], (top.floor() + rows)[:, None]
    left, right = left.floor()[:, None], (left.floor() + columns)[:, None]
    vertical, horizontal = (down >= top) & (down < bottom), (across >= left) & (across < right)
    return (vertical[:, :, None] & horizontal[:, None, :])[:, None]


def beta(alpha: float, inputs: Tensor) -> Tensor:
    """One draw of Beta(alpha, alpha) per example, [n], from the default generator of the inputs' device."""
    place = "cpu" if inputs.device.type == "mps" else inputs.device  # older torch has no gamma there
    # torch has no gamma of 16 bits on the CPU, which is what it makes by default under trainer.precision=bf16-true
    dtype = torch.promote_types(torch.get_default_dtype(), torch.float32)
    gammas = torch._standard_gamma(torch.full((2, len(inputs)), alpha, device=place, dtype=dtype))
    return (gammas[0] / gammas.sum(0)).nan_to_num(0.5).to(inputs)


def probabilities(targets: Tensor, num_classes: int, inputs: Tensor) -> Tensor:
    """Class numbers [n] as probabilities [n, classes]; probabilities stay as they are."""
    return F.one_hot(targets, num_classes).to(inputs.dtype) if targets.ndim == 1 else targets


def mix(targets: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return share[:, None] * targets + (1 - share[:, None]) * targets[other]


def in_unit_interval(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1, not {value}")
    return value


def positive(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{name} must be greater than 0, not {value}")
    return value
