"""The operations of AutoAugment and its successors on whole batches, each example with a strength of its own.

As torchvision.transforms.v2.RandAugment and AugMix have them, on pictures [n, c, h, w] of values from 0 to 1. Where a
picture moves away it leaves black. `tests/data/test_policies.py` compares with torchvision's, picture by picture.
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional

from encore.data.augment.arrays import per_example

# Pictures and a strength for each, [n], to pictures.
Operation = Callable[[Tensor, Tensor], Tensor]

GREY = (0.2989, 0.587, 0.114)  # of red, green and blue


def geometric(x: Tensor, y: Tensor, pictures: Tensor) -> Tensor:
    """Pictures taken at other places, in pixels from the centre: the nearest pixel's value.

    `x` and `y` are [n, h, w], or broadcast to that together.
    """
    height, width = pictures.shape[-2:]
    grid = torch.stack(torch.broadcast_tensors(x * 2 / width, y * 2 / height), -1).to(pictures.dtype)
    return F.grid_sample(pictures, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def places(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The places of a picture's pixels from its centre, [1, 1, w] and [1, h, 1]."""
    height, width = pictures.shape[-2:]
    kind = torch.promote_types(pictures.dtype, torch.float32)
    x = torch.arange(width, device=pictures.device, dtype=kind) - (width - 1) / 2
    y = torch.arange(height, device=pictures.device, dtype=kind) - (height - 1) / 2
    return x[None, None, :], y[None, :, None]


def shear_x(pictures: Tensor, strength: Tensor) -> Tensor:
    (x, y), (height, _) = places(pictures), pictures.shape[-2:]
    return geometric(x + strength[:, None, None] * (y + height / 2), y, pictures)


def shear_y(pictures: Tensor, strength: Tensor) -> Tensor:
    (x, y), (_, width) = places(pictures), pictures.shape[-2:]
    return geometric(x, y + strength[:, None, None] * (x + width / 2), pictures)


def translate_x(pictures: Tensor, strength: Tensor) -> Tensor:
    """By a part of the width, in whole pixels."""
    x, y = places(pictures)
    shift = (strength * pictures.shape[-1]).trunc()[:, None, None]
    return geometric(x - shift, y, pictures)


def translate_y(pictures: Tensor, strength: Tensor) -> Tensor:
    """By a part of the height, in whole pixels."""
    x, y = places(pictures)
    shift = (strength * pictures.shape[-2]).trunc()[:, None, None]
    return geometric(x, y - shift, pictures)


def rotate(pictures: Tensor, strength: Tensor) -> Tensor:
    """By degrees, about the centre."""
    x, y = places(pictures)
    angle = torch.deg2rad(strength.to(x.dtype))[:, None, None]
    return geometric(angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y, pictures)


def blend(pictures: Tensor, plain: Tensor, strength: Tensor) -> Tensor:
    """Between a plain picture (strength -1) and the picture (0), or beyond it."""
    share = per_example(1 + strength, pictures)
    return (share * pictures + (1 - share) * plain).clamp(0, 1)


def grey(pictures: Tensor) -> Tensor:
    if pictures.shape[1] != 3:
        return pictures
    return (pictures * pictures.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)


def brightness(pictures: Tensor, strength: Tensor) -> Tensor:
    return blend(pictures, torch.zeros_like(pictures), strength)


def color(pictures: Tensor, strength: Tensor) -> Tensor:
    return blend(pictures, grey(pictures), strength)


def contrast(pictures: Tensor, strength: Tensor) -> Tensor:
    return blend(pictures, grey(pictures).mean((1, 2, 3), keepdim=True), strength)


def sharpness(pictures: Tensor, strength: Tensor) -> Tensor:
    """Against a blurred picture, with the border as it is."""
    if min(pictures.shape[-2:]) <= 2:
        return pictures
    kernel = pictures.new_ones(3, 3)
    kernel[1, 1] = 5.0
    channels = pictures.shape[1]
    blurred = pictures.clone()
    blurred[..., 1:-1, 1:-1] = F.conv2d(pictures, (kernel / 13).expand(channels, 1, 3, 3), groups=channels)
    return blend(pictures, blurred, strength)


def posterize(pictures: Tensor, strength: Tensor) -> Tensor:
    """To as many bits, a whole number from 0 to 8."""
    levels = per_example(2 ** strength.round(), pictures)
    return torch.minimum((pictures * levels).floor(), levels - 1) / levels


def solarize(pictures: Tensor, strength: Tensor) -> Tensor:
    """Values of at least so much are inverted."""
    return torch.where(pictures >= per_example(strength, pictures), 1 - pictures, pictures)


def auto_contrast(pictures: Tensor, strength: Tensor) -> Tensor:
    stretched: Tensor = functional.autocontrast(pictures)
    return stretched


def equalize(pictures: Tensor, strength: Tensor) -> Tensor:
    evened: Tensor = functional.equalize(pictures.to(torch.float32)).to(pictures.dtype)
    return evened


def identity(pictures: Tensor, strength: Tensor) -> Tensor:
    return pictures


def applied(operations: Mapping[Operation, Tensor], which: Tensor, pictures: Tensor) -> Tensor:
    """One operation on each picture.

    Args:
        operations: in an order, with a strength for every picture of the batch, [n].
        which: the number of each picture's, int64 [n].
        pictures: [n, c, h, w].
    """
    changed = pictures.clone()
    for number, (operation, strength) in enumerate(operations.items()):
        chosen = (which == number).nonzero()[:, 0]
        if len(chosen):
            changed[chosen] = operation(pictures[chosen], strength[chosen]).to(pictures.dtype)
    return changed
