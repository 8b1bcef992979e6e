"""Raw examples as a net's inputs, by what a run recorded of its data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encore.data.batch import AnyBatch
from encore.data.contract import Source
from encore.data.layout import arranged
from encore.data.named.fields import DTYPES
from encore.data.named.loader import Assembly
from encore.data.named.named_source import ColumnSource, NamedSource
from encore.data.named.open import open_named
from encore.data.normalize import Affine
from encore.data.prepare import Preparation, prepared
from encore.data.sources import ArraySource
from encore.errors import InputError
from encore.record.inputs import ALONE, affine_of

BYTES = torch.uint8


@dataclass(frozen=True)
class Array:
    """One array of the inputs: an example's shape, its type, its normalisation, and the range of its values."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    affine: Affine | None
    range: tuple[float, float] | None

    @classmethod
    def of(cls, held: dict[str, Any]) -> "Array":
        shape, between = tuple(held["shape"]), held["range"]
        if held["dtype"] not in DTYPES:
            raise InputError(f"manifest.json: inputs of type {held['dtype']}, which no dataset has")
        sizes = {len(held[key]) for key in ("center", "scale") if held[key] is not None}
        if not sizes <= {1, *shape[:1]} or (between and len(between) != 2):
            raise InputError(f"manifest.json: inputs of shape {list(shape)} with {max(sizes)} constants")
        low_high = (float(between[0]), float(between[1])) if between else None
        return cls(shape, DTYPES[held["dtype"]], affine_of(held, len(shape)), low_high)

    @property
    def is_picture(self) -> bool:
        return len(self.shape) == 3 and self.shape[0] in (1, 3) and (self.dtype == BYTES or self.range is not None)

    def from_bytes(self, pixels: np.ndarray) -> Tensor:
        """A picture's bytes as the training examples have them: where those are floats, black and white are theirs."""
        values = torch.from_numpy(pixels)
        if self.range is None:
            return values
        low, high = self.range
        return values.to(self.dtype) / 255 * (high - low) + low


class Inputs:
    """Makes a net's inputs of raw examples.

    Args:
        recipe: the config's `data`.
        described: what `encore.record.inputs.described` said of it.
        preparation: what `data.prepare` learned.

    Attributes:
        arrays: of a batch, by their ids.
        classes: their names, if they have any.
        module: the kind of a data module that is not Encore's, whose batches the inputs are.
        to_input: what that makes of a picture (`encore.runner.contracts.Data.to_input`), if it says so.
    """

    module: str | None = None
    to_input: Callable[[Any], Any] | None = None

    def __init__(self, recipe: dict, described: dict[str, Any], preparation: Preparation | None) -> None:
        self.recipe, self.preparation = recipe, preparation
        self.arrays = {name: Array.of(held) for name, held in described["arrays"].items()}
        self.classes: list[str] | None = described["classes"]
        targets = described["targets"]
        self.target_affine = affine_of(targets, 1) if targets else None

    @property
    def alone(self) -> Array | None:
        """The only array, if there is one."""
        return next(iter(self.arrays.values())) if len(self.arrays) == 1 else None

    def source(self, examples: Any) -> Source:
        """Raw examples, as the dataset has them, as a source.

        Args:
            examples: an array [n, *shape]; where the dataset has names for its arrays, a mapping of these, too.

        Raises:
            InputError: they are not like the training examples.
        """
        if self.recipe.get("inputs") is not None:
            return self.named(examples)
        values = examples if isinstance(examples, Tensor) else torch.as_tensor(np.asarray(examples))
        return self.plain(values)

    def named(self, examples: Any) -> Source:
        """A source of arrays by name, or of the only one."""
        wanted = {**self.recipe, "targets": None, "stratify": None, "group_by": None}
        if not isinstance(examples, Mapping) and not hasattr(examples, "keys"):
            keys = [field.get("key", name) if isinstance(field, dict) else field for name, field in items(wanted)]
            if len(keys) != 1 or isinstance(keys[0], list):
                raise InputError(f"the model reads several arrays: give them by name, {', '.join(map(str, keys))}")
            examples = {keys[0]: examples}
        source: NamedSource = open_named(examples, wanted)
        if self.preparation is not None:
            source = prepared(self.preparation, source)
        if ALONE in self.arrays:
            assert isinstance(source, ColumnSource)
            held = next(iter(source.columns.values()))
            assert isinstance(held, Tensor)
            return self.plain(held)
        for field in source.fields:
            known = self.arrays.get(field.id)
            found = source.raw(torch.zeros(1, dtype=torch.long))[0][field.id]
            if known is not None and field.ragged is None and tuple(found.shape[1:]) not in (known.shape, ()):
                raise InputError(f"{field.name} has examples of shape {list(found.shape[1:])}, not {list(known.shape)}")
        return source

    def plain(self, values: Tensor) -> ArraySource:
        """One array of examples."""
        array = self.arrays[ALONE]
        if tuple(values.shape) == array.shape:
            values = values[None]  # one example
        found = arranged(values, array.shape) if values.ndim else None
        if found is None:
            raise InputError(
                f"the model reads arrays [n, {', '.join(map(str, array.shape))}], not {list(values.shape)}"
            )
        if found.is_floating_point() and not torch.isfinite(found).all():
            raise InputError("there are values that are not finite numbers")
        if array.dtype == BYTES != found.dtype and not is_bytes(found):
            raise InputError("the model was trained on bytes: give uint8, from 0 to 255")
        held = found.to(array.dtype)
        if held.is_floating_point() and not torch.isfinite(held).all():
            raise InputError(f"there are numbers beyond what {str(array.dtype).removeprefix('torch.')} holds")
        return ArraySource(held, torch.zeros(len(found)), self.classes)

    def batch(self, source: Source, indices: Tensor, device: torch.device) -> AnyBatch:
        """The net's inputs of some examples, and their targets; None where the source has none."""
        if isinstance(source, NamedSource):
            affines = {name: array.affine for name, array in self.arrays.items() if array.affine is not None}
            return Assembly(source.fields, affines, device)(source.raw(indices))
        affine, inputs = self.arrays[ALONE].affine, source.read(indices.tolist()).to(device)
        return inputs if affine is None else affine.to(device)(inputs), source.targets[indices].to(device)


def is_bytes(values: Tensor) -> bool:
    """Whether bytes have these values."""
    whole = not values.is_floating_point() and values.numel() > 0
    return whole and 0 <= int(values.min()) <= int(values.max()) <= 255


def items(recipe: dict) -> list[tuple[str, Any]]:
    """The names and settings of `data.inputs`."""
    given = recipe["inputs"]
    if isinstance(given, dict):
        return [(str(name), settings) for name, settings in given.items()]
    return [(str(key), key) for key in (given if isinstance(given, list) else [given])]
