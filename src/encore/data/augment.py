"""Augmentation of whole batches on their device; each example has its own draw.

A step maps inputs [n, *shape] and targets to inputs and targets of the same length. Targets are class numbers
[n], or, once mixed, probabilities [n, classes]. Random numbers come from the device's default generator, which
the task seeds anew for every training step.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Pair = tuple[Tensor, Tensor]


class Flip:
    """Mirror pictures left to right with a probability."""

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = in_unit_interval("probability", probability)

    def __call__(self, inputs: Tensor, targets: Tensor) -> Pair:
        """Inputs [n, c, h, w]."""
        chosen = torch.rand(len(inputs), device=inputs.device) < self.probability
        return torch.where(chosen[:, None, None, None], inputs.flip(-1), inputs), targets


class Crop:
    """A random window of the picture's own size, out of the picture with a border.

    Args:
        padding: width of the border in pixels.
        mode: `constant` (zeros, the mean where inputs are standardised), `reflect` or `replicate`.
    """

    def __init__(self, padding: int, mode: str = "constant") -> None:
        if padding < 1:
            raise ValueError(f"padding must be at least 1, not {padding}")
        if mode not in ("constant", "reflect", "replicate"):
            raise ValueError(f"unknown mode {mode!r}; choose from constant, reflect, replicate")
        self.padding, self.mode = padding, mode

    def __call__(self, inputs: Tensor, targets: Tensor) -> Pair:
        """Inputs [n, c, h, w]."""
        n, channels, height, width = inputs.shape
        padded = F.pad(inputs, [self.padding] * 4, mode=self.mode)
        top, left = torch.randint(2 * self.padding + 1, (2, n, 1), device=inputs.device)
        rows = (top + torch.arange(height, device=inputs.device))[:, None, :, None]
        columns = (left + torch.arange(width, device=inputs.device))[:, None, None, :]
        example = torch.arange(n, device=inputs.device)[:, None, None, None]
        channel = torch.arange(channels, device=inputs.device)[None, :, None, None]
        return padded[example, channel, rows, columns], targets


class Noise:
    """Add Gaussian noise."""

    def __init__(self, std: float) -> None:
        if std < 0:
            raise ValueError(f"std must be at least 0, not {std}")
        self.std = std

    def __call__(self, inputs: Tensor, targets: Tensor) -> Pair:
        """Inputs of any shape."""
        return inputs + self.std * torch.randn_like(inputs), targets


class RandomErasing:
    """Set a random rectangle to zero with a probability (Zhong et al. 2020).

    Args:
        probability: of a picture to be erased in.
        area: least and greatest part of the picture that is erased.
        ratio: least and greatest height over width.
    """

    def __init__(
        self,
        probability: float = 0.5,
        area: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
    ) -> None:
        self.probability = in_unit_interval("probability", probability)
        self.area = [in_unit_interval("area", bound) for bound in area]
        if min(ratio) <= 0:
            raise ValueError(f"ratio must be greater than 0, not {ratio}")
        self.ratio = list(ratio)

    def __call__(self, inputs: Tensor, targets: Tensor) -> Pair:
        """Inputs [n, c, h, w]."""
        n, _, height, width = inputs.shape
        chosen, area, ratio, y, x = torch.rand(5, n, device=inputs.device)
        area = between(self.area, area) * height * width
        ratio = between([math.log(bound) for bound in self.ratio], ratio).exp()
        rows = (area * ratio).sqrt().round().clamp(max=height)
        columns = (area / ratio).sqrt().round().clamp(max=width)
        erased = rectangles(inputs, y * (height - rows + 1), rows, x * (width - columns + 1), columns)
        return inputs.masked_fill(erased & (chosen < self.probability)[:, None, None, None], 0.0), targets


class Mixup:
    """Mix each example with another, inputs and targets alike (Zhang et al. 2018).

    Args:
        alpha: of the Beta distribution that the share is drawn from; larger mixes more.
        num_classes: length of the mixed targets.
    """

    def __init__(self, alpha: float, num_classes: int) -> None:
        self.alpha, self.num_classes = positive("alpha", alpha), num_classes

    def __call__(self, inputs: Tensor, targets: Tensor) -> Pair:
        """Inputs [n, …]; targets become probabilities [n, classes]."""
        other = torch.randperm(len(inputs), device=inputs.device)
        share = beta(self.alpha, inputs)
        weights = share.view(-1, *[1] * (inputs.ndim - 1))
        mixed = weights * inputs + (1 - weights) * inputs[other]
        return mixed, mix(probabilities(targets, self.num_classes, inputs), other, share)


class CutMix:
    """Replace a rectangle of each picture by another picture's, and the targets by area (Yun et al. 2019).

    Args:
        alpha: of the Beta distribution that the area kept is drawn from.
        num_classes: length of the mixed targets.
    """

    def __init__(self, alpha: float, num_classes: int) -> None:
        self.alpha, self.num_classes = positive("alpha", alpha), num_classes

    def __call__(self, inputs: Tensor, targets: Tensor) -> Pair:
        """Inputs [n, c, h, w]; targets become probabilities [n, classes]."""
        n, _, height, width = inputs.shape
        other = torch.randperm(n, device=inputs.device)
        side = (1 - beta(self.alpha, inputs)).sqrt()
        rows, columns = (side * height).round(), (side * width).round()
        y, x = torch.rand(2, n, device=inputs.device)
        # The centre is uniform over the picture, and what falls outside is cut off, as published.
        top, left = (y * height - rows / 2).floor(), (x * width - columns / 2).floor()
        replaced = rectangles(inputs, top, rows, left, columns)
        kept = 1 - replaced.flatten(1).to(inputs.dtype).mean(1)
        mixed = torch.where(replaced, inputs[other], inputs)
        return mixed, mix(probabilities(targets, self.num_classes, inputs), other, kept)


def between(bounds: Sequence[float], place: Tensor) -> Tensor:
    """From the first bound, where `place` is 0, to the second, where it is 1."""
    low, high = bounds
    return low + (high - low) * place


def rectangles(inputs: Tensor, top: Tensor, rows: Tensor, left: Tensor, columns: Tensor) -> Tensor:
    """A mask [n, 1, h, w] of one rectangle an example; each argument after the inputs is [n]."""
    down = torch.arange(inputs.shape[-2], device=inputs.device)
    across = torch.arange(inputs.shape[-1], device=inputs.device)
    top, bottom = top.floor()[:, None], (top.floor() + rows)[:, None]
    left, right = left.floor()[:, None], (left.floor() + columns)[:, None]
    vertical, horizontal = (down >= top) & (down < bottom), (across >= left) & (across < right)
    return (vertical[:, :, None] & horizontal[:, None, :])[:, None]


def beta(alpha: float, inputs: Tensor) -> Tensor:
    """A draw of Beta(alpha, alpha) an example, [n], from the default generator of the inputs' device."""
    place = "cpu" if inputs.device.type == "mps" else inputs.device  # older torch has no gamma there
    gammas = torch._standard_gamma(torch.full((2, len(inputs)), alpha, device=place))
    return (gammas[0] / gammas.sum(0)).nan_to_num(0.5).to(inputs)


def probabilities(targets: Tensor, num_classes: int, inputs: Tensor) -> Tensor:
    """Class numbers [n] as probabilities [n, classes]; probabilities as they are."""
    return F.one_hot(targets, num_classes).to(inputs.dtype) if targets.ndim == 1 else targets


def mix(targets: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """`share` [n] of each target, the rest of another's."""
    return share[:, None] * targets + (1 - share[:, None]) * targets[other]


def in_unit_interval(name: str, value: float) -> float:
    """The value, if it lies between 0 and 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1, not {value}")
    return value


def positive(name: str, value: float) -> float:
    """The value, if it is greater than 0."""
    if not value > 0:
        raise ValueError(f"{name} must be greater than 0, not {value}")
    return value
