"""Any array, checked and converted to a tensor or ragged sequences; messages name the array and the remedy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encore.data.layout import arranged
from encore.data.named.fields import DTYPES, Field
from encore.data.named.ragged import Ragged, joined
from encore.errors import InputError

IGNORED = -100  # torch's cross-entropy ignores it
SHOWN = 10
WIDER = {"uint16": np.int32, "uint32": np.int64, "float16": np.float32}  # types that torch barely supports


def column(value: Any, field: Field, where: str) -> Tensor | Ragged:
    """An array of all examples, as the field specifies.

    Args:
        value: what the source holds.
        field: what is asked for.
        where: how messages name it.

    Raises:
        InputError: it is not an array of numbers, or not as the field says.
    """
    found = value if isinstance(value, Ragged) else sequences(value, field, where)
    if isinstance(found, Ragged) and field.ragged is None:
        found = found.as_tensor() if found.is_even() else found
    if isinstance(found, Ragged):
        if field.ragged is None:
            raise InputError(
                f"{where} has sequences of {int(found.lengths.min())} to {int(found.lengths.max())} values: "
                f"data.{field.id}.ragged=pad or pack says how they become a batch"
            )
        check_length(found.lengths, field, where)
        return Ragged(checked(found.values, field, where), found.offsets)
    if field.ragged is not None:
        if found.ndim < 2:
            raise InputError(
                f"{where} has one value per example, and data.{field.id}.ragged={field.ragged} is for sequences: "
                f"leave it out, or say by data.{field.id}.offsets where each begins"
            )
        return column(joined(list(found)), field, where)
    return shaped(checked(found, field, where), field, where)


def sequences(value: Any, field: Field, where: str) -> Tensor | Ragged:
    """Convert an array or a list to a tensor, or to sequences of several lengths."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    try:
        array = np.asarray(value)
    except ValueError:  # rows of several lengths
        array = np.empty(0, object)
    if (array.dtype.kind == "O" and isinstance(field.classes, tuple)) or array.dtype.kind in "US":
        return named(array, field, where)
    if array.dtype.kind != "O":
        return tensor(array, where)
    rows = list(value)
    if any(isinstance(row, str | bytes) for row in rows):
        return named(np.asarray(rows, object), field, where)
    try:
        parts = [tensor(np.asarray(row), f"{where}, example {number},") for number, row in enumerate(rows)]
    except (ValueError, TypeError) as problem:
        raise InputError(
            f"{where} holds Python objects that are not arrays of numbers ({' '.join(str(problem).split()):.100}): "
            "convert it, or name other arrays in data.inputs and data.targets"
        ) from problem
    return together(parts, field, where)


def together(parts: list[Tensor], field: Field, where: str) -> Tensor | Ragged:
    """Examples as one array, or as sequences if their lengths differ."""
    if field.ragged is None and all(part.shape == parts[0].shape for part in parts):
        return torch.stack(parts)
    other = next((part for part in parts if not part.ndim or part.shape[1:] != parts[0].shape[1:]), None)
    if other is not None:
        raise InputError(
            f"{where} has examples of several shapes, such as {list(parts[0].shape)} and {list(other.shape)}: bring "
            "them to one shape; only their first dimension may differ, with ragged=pad or pack"
        )
    return joined(matching(parts))


def matching(parts: list[Tensor]) -> list[Tensor]:
    """Sequences of one type: an empty list has none of its own."""
    dtype = next((part.dtype for part in parts if len(part)), torch.float32)
    return [part if len(part) else part.to(dtype) for part in parts]


def tensor(array: np.ndarray, where: str) -> Tensor:
    if array.dtype.kind == "O":
        raise InputError(f"{where} has the type object: it must be an array of numbers, so convert it")
    if array.dtype.kind not in "biuf":
        raise InputError(f"{where} has the type {array.dtype}: convert it to numbers")
    if array.dtype.itemsize > 8:  # long doubles
        array = array.astype(np.float64)
    if array.dtype == np.uint64:
        if array.size and array.max() > np.iinfo(np.int64).max:
            raise InputError(f"{where} has numbers of 2⁶³ and more: store it as int64")
        array = array.astype(np.int64)
    if (wider := WIDER.get(array.dtype.name)) is not None:
        array = array.astype(wider)
    if not array.dtype.isnative or any(stride < 0 for stride in array.strides) or not array.flags.writeable:
        array = array.astype(array.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(np.ascontiguousarray(array) if array.ndim else array)


def named(texts: np.ndarray, field: Field, where: str) -> Tensor:
    """Texts as the class numbers that the field assigns to them."""
    held = [text.decode() if isinstance(text, bytes) else text for text in texts.reshape(-1).tolist()]
    found = sorted({str(text) for text in held})
    shown = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
    if not isinstance(field.classes, tuple):
        raise InputError(
            f"{where} holds texts ({shown}): data.{field.id}.classes=[…] lists them in the order of their numbers, "
            "or leave it out"
        )
    numbers = {str(text): number for number, text in enumerate(field.classes)}
    if unknown := [text for text in found if text not in numbers]:
        listed = ", ".join(map(str, field.classes))
        raise InputError(f"{where} holds {', '.join(unknown[:SHOWN])}; data.{field.id}.classes has {listed}")
    return torch.tensor([numbers[str(text)] for text in held], dtype=torch.long).reshape(texts.shape)


def checked(values: Tensor, field: Field, where: str) -> Tensor:
    """Values of the field's type: finite, and class numbers if it says so."""
    if values.is_complex():
        raise InputError(f"{where} has complex numbers: store real and imaginary parts as two arrays")
    if values.is_floating_point() and not bool(torch.isfinite(values).all()):
        bad = ~torch.isfinite(values)
        first = int(bad.reshape(len(values), -1).any(1).nonzero()[0])
        raise InputError(
            f"{where} has {int(bad.sum()):,} values that are NaN or infinite, the first in row {first}: "
            "fill or drop them before training"
        )
    if field.dtype is not None:
        return values.to(DTYPES[field.dtype])
    if values.is_floating_point():
        values = values.float()
    return class_numbers(values, field, where) if is_classes(values, field) else values


def is_classes(values: Tensor, field: Field) -> bool:
    """Whether values are class numbers: floats only if there is one per example; otherwise they are vectors."""
    single = values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)
    return field.classes is not None and (single or not values.is_floating_point())


def class_numbers(values: Tensor, field: Field, where: str) -> Tensor:
    """Integers from 0, in the type that they have; ignored values become -100."""
    count = field.classes if isinstance(field.classes, int) else len(field.classes or ())
    if values.is_floating_point():
        if not bool((values == values.round()).all()):
            raise InputError(f"{where} has fractions; classes are whole numbers from 0, or data.num_classes=null")
        values = values.long()
    if values.ndim == 2 and values.shape[1] == 1 and field.shape is None:
        values = values.flatten()
    if field.ignore is not None:
        values = values.long().masked_fill(values == field.ignore, IGNORED)
    counted = values[values != IGNORED] if field.ignore is not None else values
    if counted.numel() and (int(counted.min()) < 0 or int(counted.max()) >= count):
        setting = f"data.{field.id}.ignore=VALUE leaves one out"
        raise InputError(
            f"{where} has classes {int(counted.min())} to {int(counted.max())}; there are {count}, from 0 to "
            f"{count - 1}: correct data.num_classes or data.{field.id}.classes; {setting}"
        )
    return values


def shaped(values: Tensor, field: Field, where: str) -> Tensor:
    """Values in the field's shape; one number per example as [n, 1], as nets return them."""
    if field.shape is None:
        alone = values.ndim == 1 and values.is_floating_point()
        return values.reshape(-1, 1) if alone else values
    found = arranged(values, tuple(field.shape))
    if found is None:
        setting = "data.shape" if not field.is_target else f"data.{field.id}.shape"
        raise InputError(f"{where} has examples of shape {list(values.shape[1:])}, not {setting}={list(field.shape)}")
    return found


def check_length(lengths: Tensor, field: Field, where: str) -> None:
    """Raise InputError if a sequence is longer than the length that all are padded to."""
    if field.pad_to is None or (field.longest is not None and field.longest <= field.pad_to):
        return
    if len(lengths) and int(lengths.max()) > field.pad_to:
        row = int(lengths.argmax())
        raise InputError(
            f"{where} has {int(lengths[row])} values in example {row}, more than data.{field.id}.pad_to="
            f"{field.pad_to}: raise it, or data.{field.id}.longest={field.pad_to} cuts them"
        )


def with_offsets(values: Any, offsets: Any, field: Field, where: str) -> Ragged:
    """A flat array with the offsets at which its sequences begin, [n], or begin and end, [n + 1].

    Raises:
        InputError: they do not fit each other.
    """
    flat, places = tensor(np.asarray(values), where), np.asarray(offsets)
    remedy = f"data.{field.id}.offsets={field.offsets} must rise from 0 to at most {len(flat):,}, the length of {where}"
    if places.ndim != 1 or places.dtype.kind not in "iu" or not len(places):
        raise InputError(f"the offsets are of type {places.dtype} and shape {list(places.shape)}: {remedy}")
    found = torch.from_numpy(places.astype(np.int64))
    if int(found[-1]) != len(flat):  # only the beginnings are given
        found = torch.cat([found, torch.tensor([len(flat)])])
    if int(found[0]) != 0 or bool((found.diff() < 0).any()):
        raise InputError(f"the offsets begin with {found[:4].tolist()} and end with {found[-3:].tolist()}: {remedy}")
    return Ragged(flat, found)


def beside(parts: Sequence[Any], keys: Sequence[Any], where: str) -> np.ndarray:
    """Columns [n] of numbers, or arrays [n, k], side by side; float32 unless the field says otherwise."""
    arrays = []
    for key, part in zip(keys, parts, strict=True):
        array = np.asarray(part)
        if array.dtype.kind not in "biuf" or array.ndim not in (1, 2):
            raise InputError(
                f"{where}: column {key} has the type {array.dtype} and shape {list(array.shape)}, and only columns of "
                "numbers can be put side by side: convert it, or leave it out"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0, 0])
            raise InputError(
                f"{where}: column {key} has a value that is missing or infinite in row {row}: fill or drop it"
            )
        arrays.append(array)
    if len({len(array) for array in arrays}) > 1:
        raise InputError(f"{where} has columns of {', '.join(str(len(array)) for array in arrays)} rows: not the same")
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], 1)
