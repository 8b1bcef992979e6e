"""Named arrays of examples that are made one at a time, such as pictures in files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encore.data.named.columns import column
from encore.data.named.fields import Field
from encore.data.named.named_source import ColumnSource, NamedSource, Raw
from encore.data.named.ragged import Ragged, ends
from encore.data.pixels import BROKEN, as_array, upright
from encore.errors import InputError

CHUNK = 512  # items at a time


class ItemSource(NamedSource):
    """Examples that are made one at a time.

    Args:
        dataset: has items by index, each a tuple or a dict.
    """

    def __init__(self, name: str, fields: Sequence[Field], dataset: Any, classes: Sequence[str] | None) -> None:
        super().__init__(name, fields, classes)
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def raw(self, indices: Tensor) -> Raw:
        """Make the items now."""
        items = [self.item(index) for index in indices.tolist()]
        arrays, lengths = {}, {}
        for field in self.fields:
            values = [self.value(item, field, index) for item, index in zip(items, indices.tolist(), strict=True)]
            held = self.checked(values, field, indices)
            if isinstance(held, Ragged):
                arrays[field.id], lengths[field.id] = held.of(torch.arange(len(held)), field.longest)
            else:
                arrays[field.id] = held
        return arrays, lengths

    def checked(self, values: list[Any], field: Field, indices: Tensor) -> Tensor | Ragged:
        """A field of several examples; a message names the wrong one."""
        where = f"data={self.name}, {field.key!r}"
        if not values:
            first = column([self.value(self.item(0), field, 0)], field, where)
            return Ragged(first.values[:0], first.offsets[:1]) if isinstance(first, Ragged) else first[:0]
        try:
            return column(values, field, where)
        except InputError:
            for value, index in zip(values, indices.tolist(), strict=True):
                column([value], field, f"{where}, example {index},")
            raise

    def item(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except BROKEN as problem:
            raise InputError(f"data={self.name}: example {index} cannot be read: {problem}") from problem

    def value(self, item: Any, field: Field, index: int) -> Any:
        """A field of an item; several keys become columns of numbers."""
        if isinstance(field.key, tuple):
            return np.asarray([self.pick(item, key, index) for key in field.key], np.float32)
        found = self.pick(item, field.key, index)
        try:
            return pixels(found, field) if hasattr(found, "convert") else array(found)
        except BROKEN as problem:  # a picture is decoded when its pixels are asked for
            raise InputError(f"data={self.name}: example {index} cannot be read: {problem}") from problem

    def pick(self, item: Any, key: str | int, index: int) -> Any:
        try:
            return item[key]
        except (LookupError, TypeError) as problem:
            has = ", ".join(map(str, item)) if isinstance(item, dict) else f"{len(item)} parts, from 0"
            raise InputError(
                f"data={self.name}: example {index} has no {key!r}; it has {has}: correct data.inputs and data.targets"
            ) from problem

    def tensors(self) -> None:
        """None: nothing is in memory."""

    def labels(self, key: str, setting: str = "stratify") -> np.ndarray:
        """One value per example, from a pass over all of them."""
        field = next((field for field in self.fields if field.name == key), Field("stratify", key, key))
        if field.part != "stratify":
            only = ItemSource(self.name, [field], self.dataset, None)
            return np.concatenate(
                [only.raw(chunk)[0][field.id].numpy() for chunk in torch.arange(len(self)).split(CHUNK)]
            )
        return np.asarray([self.pick(self.item(index), key, index) for index in range(len(self))])

    def lengths(self, field: Field) -> Tensor:
        """Lengths of the sequences, from a pass over all of them."""
        only = ItemSource(self.name, [field], self.dataset, None)
        return torch.cat([only.raw(chunk)[1][field.id] for chunk in torch.arange(len(self)).split(CHUNK)])

    def in_memory(self, keys: Sequence[str] = ()) -> ColumnSource:
        """The same source with every item made now.

        Args:
            keys: further values to read from each example.
        """
        columns: dict[str, list[Tensor]] = {field.id: [] for field in self.fields}
        counts: dict[str, list[Tensor]] = {field.id: [] for field in self.fields if field.ragged}
        for chunk in torch.arange(len(self)).split(CHUNK):
            arrays, lengths = self.raw(chunk)
            for held, parts in ((columns, arrays), (counts, lengths)):
                for name, part in parts.items():
                    held[name].append(part)
        others = {key: self.labels(key) for key in keys if all(field.name != key for field in self.fields)}
        whole: dict[str, Tensor | Ragged] = {}
        for field in self.fields:
            values = whole_of(columns.pop(field.id), f"data={self.name}, {field.key!r}", field)
            if field.ragged:
                whole[field.id] = Ragged(values, ends(torch.cat(counts[field.id])))
            else:
                whole[field.id] = values
        return ColumnSource(self.name, self.fields, whole, self.classes, others)


def whole_of(parts: list[Tensor], where: str, field: Field) -> Tensor:
    """Chunks of a field as one array."""
    kinds = {str(part.dtype).removeprefix("torch.") for part in parts if part.numel()}
    if len(kinds) > 1:
        raise InputError(f"{where} is of several types, {', '.join(sorted(kinds))}: data.{field.id}.dtype names one")
    if len({part.shape[1:] for part in parts}) > 1:
        raise InputError(f"{where} has examples of several shapes: bring them to one")
    dtype = next((part.dtype for part in parts if part.numel()), parts[0].dtype)
    return torch.cat([part.to(dtype) for part in parts])  # an empty part has no type of its own


def array(value: Any) -> Any:
    """Convert to something that NumPy reads fast."""
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


def pixels(picture: Any, field: Field) -> np.ndarray:
    """A PIL picture as bytes: an input [c, h, w], resized to its shape if it has one; a target [h, w], unchanged."""
    if field.is_target:
        return np.array(picture)
    if field.shape is not None and len(field.shape) == 3:
        return as_array(picture, field.shape[0], field.shape[1:])
    values = np.array(upright(picture))
    return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))
