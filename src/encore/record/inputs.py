"""What turns raw examples into a net's inputs, kept with the run: who uses its model needs no training data.

manifest.json has it under `inputs`: the classes' names, and for each array of a batch its shape, its type and the
constants of its normalisation. What `data.prepare` learned, such as a vocabulary, is in checkpoints/preparation.ckpt.
"""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encore.data.named.loader import Values
from encore.data.named.named_source import NamedSource
from encore.data.names import class_names
from encore.data.normalize import CHUNK, Affine
from encore.errors import InputError
from encore.files import read_whole, replace
from encore.record import seal

PREPARATION = "checkpoints/preparation.ckpt"
LARGEST = 2**30  # bytes of a preparation
ALONE = "inputs"  # the id of the only array of a source of one input and one target


def described(data: Any) -> dict[str, Any] | None:
    """What a data module that is set up makes of raw examples, in plain values; None if it is not Encore's."""
    source = getattr(data, "source", None)
    if source is None or not hasattr(data, "recipe"):
        return None
    if isinstance(source, NamedSource):
        fields = [field for field in source.fields if not field.is_target]
        arrays = {field.id: array(Values(source, field), data, data.affines.get(field.id)) for field in fields}
    else:
        arrays = {ALONE: array(source, data, data.normalize)}
    return {
        "classes": class_names(data.recipe, source),
        "arrays": arrays,
        "targets": None if data.target_affine is None else constants(data.target_affine),
    }


def array(source: Any, data: Any, affine: Affine | None) -> dict[str, Any]:
    """One array of the inputs: an example's shape, its type, and the constants of its normalisation, if it has one."""
    first = source.read([0])
    return {
        "shape": list(first.shape[1:]),
        "dtype": str(first.dtype).removeprefix("torch."),
        "range": extent(source, data.split.train) if is_picture(first) else None,
        **(constants(affine) if affine is not None else {"center": None, "scale": None}),
    }


def constants(affine: Affine) -> dict[str, list[float]]:
    return {"center": affine.center.flatten().tolist(), "scale": affine.scale.flatten().tolist()}


def affine_of(held: dict[str, Any], dimensions: int) -> Affine | None:
    """The normalisation that was described; None if there is none."""
    if held.get("center") is None:
        return None
    view = (-1, *[1] * (dimensions - 1))
    center, scale = (torch.tensor([float(each) for each in held[key]]).reshape(view) for key in ("center", "scale"))
    return Affine(center, scale)


def is_picture(examples: Tensor) -> bool:
    """Whether examples [n, …] are pictures of floats, whose black and white only the examples tell."""
    return examples.ndim == 4 and examples.shape[1] in (1, 3) and examples.is_floating_point()


def extent(source: Any, indices: Tensor) -> list[float]:
    """The smallest and the largest value of some examples."""
    bounds = [part.aminmax() for chunk in indices.split(CHUNK) if (part := source.read(chunk.tolist())).numel()]
    return [min(float(each.min) for each in bounds), max(float(each.max) for each in bounds)]


def keep_preparation(preparation: Any, folder: Path) -> None:
    """Write what `data.prepare` learned, if it is tensors and plain values."""
    packed = io.BytesIO()
    try:
        torch.save(vars(preparation), packed)
        torch.load(io.BytesIO(packed.getvalue()), weights_only=True)
    except Exception:  # whatever pickle or torch refuses: use then learns it again, of the data
        return
    replace(folder / PREPARATION, packed.getvalue())


def kept_preparation(folder: Path) -> dict[str, Any] | None:
    """What `data.prepare` learned, by the names of its attributes; None if it was not kept.

    Raises:
        InputError: the file was altered, or cannot be read.
    """
    file = folder / PREPARATION
    if not file.exists():
        return None
    seal.check(folder, PREPARATION)
    try:
        held = torch.load(io.BytesIO(read_whole(file, LARGEST)), map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as problem:  # torch raises all kinds of errors for a broken archive
        raise InputError(f"{file} cannot be read: {str(problem).splitlines()[0]}") from problem
    if not isinstance(held, dict) or not all(isinstance(name, str) for name in held):
        raise InputError(f"{file} holds no values by name")
    return held
