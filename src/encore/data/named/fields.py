"""Which of a source's arrays a batch contains, and in what form: the settings `data.inputs` and `data.targets`."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from encore.errors import ConfigError

DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float32,
                  torch.float64)
}  # fmt: skip
LAYOUTS = ("pad", "pack")
Key = str | int


@dataclass(frozen=True)
class Field:
    """One array of a batch.

    Attributes:
        part: `inputs` or `targets`.
        name: in the batch.
        key: in the source; a list's columns are put side by side, as float32 unless `dtype` says otherwise.
        dtype: in the batch; by default float32 for floats, int64 for integer targets, all else unchanged.
        shape: of an example; pictures become channels first, and flat rows are reshaped.
        classes: how many class numbers there are, from 0; or the texts that stand for 0, 1, ….
        ignore: a value of a target that is no class, such as 255 at the edges of a mask: it becomes -100, which torch's
            cross-entropy leaves out.
        ragged: sequences are padded (`pad`) or laid one after another (`pack`).
        offsets: the key of where each sequence begins in a flat array, [n] or [n + 1].
        mask: name of `pad`'s mask, 1 for values and 0 for padding, int64 [n, length].
        starts: name of `pack`'s array of sequence beginnings, int64 [n].
        fill: the padding value.
        pad_to: padded length; by default that of the batch's longest sequence.
        longest: longer sequences are truncated to this length.
    """

    part: str
    name: str
    key: Key | tuple[Key, ...]
    dtype: str | None = None
    shape: tuple[int, ...] | None = None
    classes: int | tuple[str, ...] | None = None
    ignore: int | None = None
    ragged: str | None = None
    offsets: Key | None = None
    mask: str | None = None
    starts: str | None = None
    fill: float = 0
    pad_to: int | None = None
    longest: int | None = None

    @property
    def id(self) -> str:
        """Its dotted path, which distinguishes an input from a target of the same name."""
        return f"{self.part}.{self.name}"

    @property
    def is_target(self) -> bool:
        return self.part == "targets"


def fields_of(data: dict) -> list[Field]:
    """The inputs and targets that a data recipe names.

    Raises:
        ConfigError: it says what no field can be.
    """
    inputs = [with_shape(field, data.get("shape")) for field in part_of(data, "inputs")]
    targets = list(part_of(data, "targets"))
    if not inputs:
        raise ConfigError("data.inputs names no array; data.inputs=x, or a list or dict of them")
    plain = [number for number, field in enumerate(targets) if field.classes is None and field.dtype is None]
    if len(targets) == 1 and plain and data.get("num_classes") is not None:
        targets = [replace(targets[0], classes=data["num_classes"])]
    for part in (inputs, targets):
        check_names([name for field in part for name in names_in_batch(field)], part[0].part if part else "")
    return [*inputs, *targets]


def part_of(data: dict, part: str) -> Iterator[Field]:
    """The fields of one setting: a key, a list of keys, or a dict from names to keys or settings."""
    value = data.get(part)
    if value is None:
        return
    if value == "???":
        raise ConfigError(f"data.{part} is not set: a key, a list of keys, or a dict from names to keys")
    if isinstance(value, str | int):
        yield field_of(part, str(value), value)
    elif isinstance(value, list):
        for key in value:
            yield field_of(part, str(key), key)
    elif isinstance(value, dict):
        for name, settings in value.items():
            yield field_of(part, str(name), settings)
    else:
        raise ConfigError(f"data.{part}={value!r} must be a key, a list of keys, or a dict from names to keys")


def field_of(part: str, name: str, settings: Any) -> Field:
    place = f"data.{part}.{name}"
    if isinstance(settings, str | int | list):
        settings = {"key": settings}
    if not isinstance(settings, dict):
        raise ConfigError(f"{place}={settings!r} must be a key, a list of keys, or a dict of settings")
    known = [field.name for field in fields(Field) if field.name not in ("part", "name")]
    if unknown := sorted(set(settings) - set(known)):
        raise ConfigError(f"{place} has no setting {', '.join(unknown)}; choose from {', '.join(known)}")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
    }
    field = Field(part, name, values.pop("key", name), **values)
    if problem := objection(field):
        raise ConfigError(f"{place}.{problem}")
    return companions(field)


def objection(field: Field) -> str | None:
    """What is wrong with a field's settings."""
    sizes = {"pad_to": field.pad_to, "longest": field.longest}
    for name, size in sizes.items():
        if size is not None and (not isinstance(size, int) or size < 1):
            return f"{name}={size!r} must be a whole number, at least 1"
    if field.dtype is not None and field.dtype not in DTYPES:
        return f"dtype={field.dtype!r}: choose from {', '.join(DTYPES)}"
    if field.ragged not in (None, *LAYOUTS):
        return f"ragged={field.ragged!r}: choose from {', '.join(LAYOUTS)}, or leave it out"
    if field.ragged != "pad" and (field.mask or field.pad_to):
        return "ragged: mask and pad_to need ragged=pad"
    if field.ragged != "pack" and field.starts:
        return "ragged: starts needs ragged=pack"
    if field.ragged is None and (field.offsets is not None or field.longest is not None):
        return "ragged: offsets and longest need ragged=pad or ragged=pack"
    if isinstance(field.classes, int) and field.classes < 1:
        return f"classes={field.classes} must be at least 1, or a list of texts"
    return None


def companions(field: Field) -> Field:
    """A field with names for its companion arrays; targets have such companions only if named."""
    if field.is_target or field.ragged is None:
        return field
    if field.ragged == "pack":
        return replace(field, starts=field.starts or f"{field.name}_offsets")
    usual = "attention_mask" if field.name == "input_ids" else f"{field.name}_mask"
    return replace(field, mask=field.mask or usual)


def with_shape(field: Field, shape: Any) -> Field:
    """An input with its part of `data.shape`, a list for all inputs or a dict by name."""
    if isinstance(shape, dict):
        shape = shape.get(field.name)
    if shape is None or field.shape is not None or field.ragged is not None:
        return field
    return replace(field, shape=tuple(shape))


def names_in_batch(field: Field) -> list[str]:
    """A field's name in a batch, and its companions' names."""
    return [name for name in (field.name, field.mask, field.starts) if name is not None]


def check_names(names: list[str], part: str) -> None:
    """Raise ConfigError if two arrays share a name, or a net could not be called with one."""
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"data.{part} has two arrays called {name}: rename one, {{NAME: {{key: …}}}}")
        if len(names) > 1 and not name.isidentifier():
            raise ConfigError(f"data.{part}: a net cannot be called with {name!r}=…: give it a name, {{NAME: {name}}}")
