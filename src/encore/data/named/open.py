"""A source of named arrays, from any object that has them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from encore.data.named.columns import beside, column, with_offsets
from encore.data.named.fields import Field, fields_of
from encore.data.named.items import ItemSource
from encore.data.named.named_source import ColumnSource, NamedSource
from encore.data.named.ragged import Ragged
from encore.errors import InputError

SHOWN = 20
Get = Callable[[Any], Any]


def open_named(dataset: Any, data: dict) -> NamedSource:
    """The arrays of a dataset object that a recipe names.

    Raises:
        ConfigError: `data.inputs` or `data.targets` say what cannot be.
        InputError: an array is missing, or is not as they say.
    """
    fields, name = fields_of(data), data["name"]
    get = getter(dataset, fields, name)
    classes = names_of(fields) or names_in(dataset)
    keys = [key for key in (data.get("stratify"), data.get("group_by")) if isinstance(key, str)]
    if get is None:
        if not len(dataset):
            raise InputError(f"data={name} holds no examples")
        items = ItemSource(name, fields, dataset, classes)
        if data.get("resident", True):
            return items.in_memory(keys)
        if hasattr(dataset, "check"):
            dataset.check()
        return items
    columns = {field.id: one_of(get, field, name) for field in fields}
    check_lengths(columns, name)
    other = {key: np.asarray(get(key)) for key in keys if has(dataset, key)}
    return ColumnSource(name, fields, columns, classes, other)


def has(dataset: Any, key: str) -> bool:
    return key in list(dataset.keys()) if hasattr(dataset, "keys") else hasattr(dataset, key)


def names_in(dataset: Any) -> list[str] | None:
    """Class names that a dataset provides."""
    names = getattr(dataset, "classes", None)
    return list(map(str, names)) if isinstance(names, list | tuple) else None


def names_of(fields: list[Field]) -> tuple[str, ...] | None:
    """Class names listed for the only target."""
    listed = [field.classes for field in fields if field.is_target and isinstance(field.classes, tuple)]
    return tuple(map(str, listed[0])) if len(listed) == 1 else None


def getter(dataset: Any, fields: list[Field], name: str) -> Get | None:
    """How to get whole arrays by key; None if there are only items.

    Raises:
        InputError: it has neither.
    """
    if hasattr(dataset, "keys") and hasattr(dataset, "__getitem__"):
        return lambda key: looked_up(dataset, key, name)
    keys = [key for field in fields for key in keys_of(field)]
    if all(isinstance(key, str) and hasattr(dataset, key) for key in keys):
        return lambda key: attribute(dataset, key, name)
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        return None
    known = ", ".join(sorted(key for key in vars(dataset) if not key.startswith("_"))[:SHOWN]) or "none"
    missing = ", ".join(str(key) for key in keys if not hasattr(dataset, str(key)))
    raise InputError(
        f"data={name}: a {type(dataset).__name__} has no {missing}; its attributes are: {known}. "
        "Correct data.inputs and data.targets, or give it items: __getitem__ and __len__"
    )


def keys_of(field: Field) -> list[Any]:
    keys = list(field.key) if isinstance(field.key, tuple) else [field.key]
    return keys if field.offsets is None else [*keys, field.offsets]


def looked_up(dataset: Any, key: Any, name: str) -> Any:
    names = list(dataset.keys())
    if key not in names:
        shown = ", ".join(map(str, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
        raise InputError(f"data={name} has no {key!r}; it has {shown}: correct data.inputs and data.targets")
    return dataset[key]


def attribute(dataset: Any, key: Any, name: str) -> Any:
    if not isinstance(key, str) or not hasattr(dataset, key):
        raise InputError(f"data={name}: a {type(dataset).__name__} has no attribute {key!r}")
    return getattr(dataset, key)


def one_of(get: Get, field: Field, name: str) -> Tensor | Ragged:
    where = f"data={name}, {field.key!r}"
    if isinstance(field.key, tuple):
        table = beside([get(key) for key in field.key], field.key, f"data={name}")
        return column(table if field.dtype else table.astype(np.float32), field, where)
    held = get(field.key)
    if field.offsets is not None:
        held = with_offsets(held, get(field.offsets), field, where)
    return column(held, field, where)


def check_lengths(columns: dict[str, Tensor | Ragged], name: str) -> None:
    """Raise InputError if arrays differ in their number of examples, or are empty."""
    lengths = {key: len(held) for key, held in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"data.{key} {length:,}" for key, length in lengths.items())
        raise InputError(f"data={name} has arrays of unequal length: {listed}; each must have one row per example")
    if not next(iter(lengths.values())):
        raise InputError(f"data={name} holds no examples")
