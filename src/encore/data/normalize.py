"""Normalisation as one subtraction and one multiplication per value, from the training split alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from encore.data.sources import Source
from encore.errors import ConfigError

CHUNK = 512  # examples in float64 at a time


@dataclass(frozen=True)
class Affine:
    """(x - center) · scale, with a value a channel (pictures) or a column (tables)."""

    center: Tensor
    scale: Tensor

    def __call__(self, inputs: Tensor, empty: Callable[[Sequence[int]], Tensor] | None = None) -> Tensor:
        """Raw inputs [k, *shape] as normalised float32, in what `empty` makes of their shape."""
        values = empty(inputs.shape).copy_(inputs) if empty else inputs.to(torch.float32, copy=True)
        return values.sub_(self.center).mul_(self.scale)

    def to(self, device: torch.device) -> "Affine":
        """The same on a device."""
        return Affine(self.center.to(device), self.scale.to(device))


def fit(norm: str | dict, source: Source, train: Tensor, shape: tuple[int, ...]) -> Affine:
    """Find a normalisation's constants.

    Bytes count as 0 to 1, as torchvision reads pictures; floats as they are.

    Args:
        norm: `standardize` (mean 0, sample standard deviation 1), `minmax` (0 to 1), `none`, or constants
            `{mean: […], std: […]}`, one a channel or column.
        source: where the examples are.
        train: the indices that may be looked at.
        shape: an example's shape.
    """
    unit = 255.0 if source.read([0]).dtype == torch.uint8 else 1.0
    if isinstance(norm, dict):
        center, spread = constants(norm, shape[0])
    else:
        center, spread = FITS[norm](source, train, unit)
    spread = torch.where(spread > 0, spread, 1.0)  # a constant column stays finite
    view = (-1, *[1] * (len(shape) - 1))
    return Affine((center * unit).float().view(view), (1 / (unit * spread)).float().view(view))


def standardize(source: Source, train: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    """Mean and sample standard deviation, each float64 [channels], in one pass over the examples."""
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for values in columns(source, train, unit):  # Chan et al. 1979: exact for values far from 0, too
        added, center = values.shape[1], values.mean(1)
        offset = center - mean
        squares = squares + ((values - center[:, None]) ** 2).sum(1) + offset**2 * (count * added / (count + added))
        mean = mean + offset * (added / (count + added))
        count += added
    return mean, (squares / max(count - 1, 1)).sqrt()


def minmax(source: Source, train: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    """Minimum and range, each float64 [channels]."""
    bounds = [(values.amin(1), values.amax(1)) for values in columns(source, train, unit)]
    low = torch.stack([pair[0] for pair in bounds]).amin(0)
    high = torch.stack([pair[1] for pair in bounds]).amax(0)
    return low, high - low


def none(source: Source, train: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    """Nothing taken away, and nothing divided by."""
    return torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)


FITS: dict[str, Callable[[Source, Tensor, float], tuple[Tensor, Tensor]]] = {
    "standardize": standardize,
    "minmax": minmax,
    "none": none,
}


def constants(norm: dict, channels: int) -> tuple[Tensor, Tensor]:
    """Given mean and standard deviation, each float64 [channels]."""
    for key, values in norm.items():
        if len(values) not in (1, channels):
            raise ConfigError(f"data.normalize.{key} has {len(values)} values; the data have {channels} channels")
    mean, std = (torch.tensor(norm[key], dtype=torch.float64) for key in ("mean", "std"))
    return mean, std


def columns(source: Source, indices: Tensor, unit: float) -> Iterator[Tensor]:
    """The inputs a chunk at a time, as float64 [channels, values]."""
    for chunk in indices.split(CHUNK):
        yield source.read(chunk.tolist()).transpose(0, 1).flatten(1).double() / unit
