"""Normalisation as one subtraction and one multiplication per value, fitted on the training split alone."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from torch import Tensor

from encore.data import pixels
from encore.data.contract import Readable
from encore.errors import ConfigError
from encore.provenance import remembered
from encore.provenance.closure import reading_of
from encore.terminal import counted

CHUNK = 512  # examples in float64 at a time


@dataclass(frozen=True)
class Affine:
    """(x - center) · scale, with one value per channel (pictures) or column (tables)."""

    center: Tensor
    scale: Tensor

    def __call__(self, inputs: Tensor, empty: Callable[[Sequence[int]], Tensor] | None = None) -> Tensor:
        """Normalise raw inputs [k, *shape] to float32, into the tensor that `empty` returns for their shape."""
        values = empty(inputs.shape).copy_(inputs) if empty else inputs.to(torch.float32, copy=True)
        return values.sub_(self.center).mul_(self.scale)

    def to(self, device: torch.device) -> "Affine":
        return Affine(self.center.to(device), self.scale.to(device))


def fit(
    norm: str | dict, source: Readable, train: Tensor, shape: tuple[int, ...], setting: str = "data.normalize"
) -> Affine:
    """Fit a normalisation's constants.

    Bytes count as 0 to 1, as torchvision reads pictures; floats as they are.

    Args:
        norm: `standardize` (mean 0, sample standard deviation 1), `minmax` (0 to 1), `none`, or constants
            `{mean: […], std: […]}`, one a channel or column.
        source: where the examples are.
        train: the indices that may be looked at.
        shape: an example's shape.
        setting: which setting `norm` is, for messages.
    """
    unit = 255.0 if source.read([0]).dtype == torch.uint8 else 1.0
    if isinstance(norm, dict):
        center, spread = constants(norm, shape[0], setting)
    else:
        center, spread = FITS[norm](source, train, unit)
    # A constant column stays finite: its spread may be just the rounding error of its mean.
    spread = np.where(spread > 1e-12 * np.abs(center), spread, 1.0)
    view = (-1, *[1] * (len(shape) - 1))
    values = (center * unit, 1 / (unit * spread))
    return Affine(*(torch.from_numpy(value.astype(np.float32).reshape(view)) for value in values))


def fit_once(norm: str | dict, source: Any, train: Tensor, shape: tuple[int, ...]) -> Affine:
    """`fit`, remembered for pictures in files or shards: each start would otherwise decode all of them.

    What is remembered holds for the same examples, split, code and decoder.
    """
    digest = getattr(getattr(source, "dataset", None), "digest", None)
    if digest is None or isinstance(norm, dict):
        return fit(norm, source, train, shape)
    code = [reading_of(Path(str(module.__file__))).digest for module in (sys.modules[__name__], pixels)]
    of = f"{digest()} {norm} {shape} {np.__version__} {PIL.__version__} {' '.join(code)}\n".encode()
    key = hashlib.sha256(of + train.numpy().tobytes()).hexdigest()

    def fitted() -> str:
        found = fit(norm, source, train, shape)
        return json.dumps([found.center.tolist(), found.scale.tolist()])  # a float's shortest text gives its bits again

    return Affine(*map(torch.tensor, json.loads(remembered.by_content("normalisation", key, fitted))))


def standardize(source: Readable, train: Tensor, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sample standard deviation, each float64 [channels], in one pass over the examples."""
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for values in columns(source, train, unit):  # Chan et al. 1979: exact for values far from 0, too
        added, center = values.shape[1], values.mean(1)
        offset = center - mean
        values -= center[:, None]
        values *= values
        squares = squares + values.sum(1) + offset**2 * (count * added / (count + added))
        mean = mean + offset * (added / (count + added))
        count += added
    return mean, np.sqrt(squares / max(count - 1, 1))


def minmax(source: Readable, train: Tensor, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Minimum and range, each float64 [channels]."""
    bounds = [(values.min(1), values.max(1)) for values in columns(source, train, unit)]
    low, high = np.min([low for low, _ in bounds], 0), np.max([high for _, high in bounds], 0)
    return low, high - low


def none(source: Readable, train: Tensor, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """The identity."""
    return np.zeros(1), np.ones(1)


FITS: dict[str, Callable[[Readable, Tensor, float], tuple[np.ndarray, np.ndarray]]] = {
    "standardize": standardize,
    "minmax": minmax,
    "none": none,
}


def constants(norm: dict, channels: int, setting: str) -> tuple[np.ndarray, np.ndarray]:
    """Given mean and standard deviation, each float64 [channels]."""
    for key, values in norm.items():
        if len(values) not in (1, channels):
            raise ConfigError(f"{setting}.{key} has {len(values)} values; the data have {channels} channels")
    mean, std = (np.array(norm[key], np.float64) for key in ("mean", "std"))
    return mean, std


def columns(source: Readable, indices: Tensor, unit: float) -> Iterator[np.ndarray]:
    """The inputs one chunk at a time, as float64 [channels, values]."""
    chunks = indices.split(CHUNK)
    for chunk in counted(chunks, len(chunks), "normalising"):
        values = source.read(chunk.tolist()).transpose(0, 1).flatten(1).numpy()
        if values.size:  # sequences may all be empty
            yield np.divide(values, unit, dtype=np.float64)
