"""Files as raw examples: pictures, arrays, tables and texts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encore.data.contract import Source
from encore.data.named.columns import beside
from encore.data.pixels import as_array, opened, shown, upright
from encore.data.readers.archive import archive
from encore.data.readers.tables import table
from encore.errors import InputError
from encore.use.inputs import Array, Inputs
from encore.use.model import Model
from encore.use.paths import ARRAYS, TABLES, TEXTS, lines
from encore.use.predictions import kind_of

FEW = 16  # pictures at once of whose pixels there are predictions


@dataclass(frozen=True)
class Read:
    """Examples that were read.

    Attributes:
        names: what they are called.
        source: the examples.
        files: where each is from; none of what was typed.
        sizes: width and height of each picture; none of other files, which have several examples.
    """

    names: list[str]
    source: Source
    files: list[Path] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)


def examples(model: Model, files: Iterator[Path], tell: Callable[[str], None]) -> Iterator[Read]:
    """Files as examples with their names, many pictures at once; those that cannot be read are told of.

    Raises:
        InputError: the model reads nothing of the kind.
    """
    inputs = model.inputs
    many = FEW if kind_of(model.task) == "pixels" else model.config["data"].get("eval_batch_size", 1024)
    pictures: list[np.ndarray] = []
    found: list[tuple[Path, tuple[int, int]]] = []

    def read() -> Read:
        places, sizes = [file for file, _ in found], [size for _, size in found]
        return Read([shown(file) for file in places], of_pictures(inputs, pictures), places, sizes)

    for file in files:
        try:
            if file.suffix.lower() in (*ARRAYS, *TABLES, *TEXTS):
                source = of_file(model, inputs, file)
                names = [f"{shown(file)}:{number + 1}" for number in range(len(source))]
                yield Read(names, source, [file] * len(source))
                continue
            pixels, size = picture(inputs, file)
            pictures.append(pixels)
            found.append((file, size))
        except InputError as problem:
            tell(str(problem))
        except MemoryError:
            tell(f"{shown(file)} cannot be read: there is too little memory for it")
        if len(pictures) == many:
            yield read()
            pictures, found = [], []
    if pictures:
        yield read()


def picture(inputs: Inputs, file: Path) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture's bytes [channels, height, width], of the size that the model reads, as in training; its own size."""
    array = inputs.alone
    if inputs.module and array is not None:
        return by_module(inputs, array, file)
    if array is None or not array.is_picture:
        raise InputError(f"{shown(file)}: the model reads no pictures; arrays are {', '.join((*ARRAYS, *TABLES))}")
    channels, *size = array.shape
    with opened(file) as image:
        return as_array(image, channels, size), upright(image).size


def by_module(inputs: Inputs, array: Array, file: Path) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture as a data module that is not Encore's makes an input of it; its own size."""
    if inputs.to_input is None:
        raise InputError(
            f"{shown(file)}: {inputs.module} does not say how a picture becomes an input {list(array.shape)} of the "
            "net: give it a method `to_input(picture)` (docs/use.md), or predict arrays of inputs (.npy)"
        )
    with opened(file) as image:
        turned = upright(image)
        try:
            made = torch.as_tensor(inputs.to_input(turned))
        except Exception as problem:  # of whatever kind: it is anybody's code
            said = f"{type(problem).__name__}: {problem}"
            raise InputError(f"{shown(file)}: {inputs.module}.to_input: {said}") from problem
    if tuple(made.shape) != array.shape:
        raise InputError(
            f"{shown(file)}: {inputs.module}.to_input makes {list(made.shape)} of it, and the net reads "
            f"{list(array.shape)}"
        )
    return made.numpy(), turned.size


def of_pictures(inputs: Inputs, pictures: list[np.ndarray]) -> Source:
    array = inputs.alone
    assert array is not None
    return inputs.source(array.from_bytes(np.stack(pictures)))


def of_file(model: Model, inputs: Inputs, file: Path) -> Source:
    """The examples in a file of arrays, a table, or a text with one a line.

    Raises:
        InputError: it cannot be read, or its examples are not like the training examples.
    """
    suffix = file.suffix.lower()
    if suffix in TEXTS:
        texts = lines(file.read_bytes, shown(file))
        try:
            return model.texts(texts)
        except InputError as problem:
            raise InputError(f"{shown(file)}: {problem}") from problem
    held: Any = array_in(file) if suffix == ".npy" else archive(str(file)) if suffix == ".npz" else table(str(file))
    if inputs.recipe.get("inputs") is None and suffix != ".npy":
        held = the_inputs(inputs, held, file) if suffix == ".npz" else numbers(held, file)
    try:
        source = inputs.source(held)
    except InputError as problem:
        raise InputError(f"{shown(file)}: {problem}") from problem
    if not len(source):
        raise InputError(f"{shown(file)} holds no examples")
    return source


def array_in(file: Path) -> np.ndarray:
    try:
        with file.open("rb") as stream:
            held = np.load(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError) as problem:
        raise InputError(f"{shown(file)} cannot be read as a NumPy array: {problem}") from problem
    if not isinstance(held, np.ndarray) or held.dtype.kind not in "biuf":
        raise InputError(f"{shown(file)} holds no array of numbers")
    return held


def the_inputs(inputs: Inputs, held: Mapping[str, np.ndarray], file: Path) -> np.ndarray:
    """The array of an archive that holds the inputs: the only one, or the one that has their name in training."""
    name = (inputs.recipe.get("train") or {}).get("inputs")
    if isinstance(name, str) and name in held:
        return held[name]
    if len(held) == 1:
        return next(iter(held.values()))
    if not held:
        raise InputError(f"{shown(file)} holds no array")
    raise InputError(f"{shown(file)} holds {', '.join(held)}: which are the inputs? Leave only these")


def numbers(columns: Mapping[str, Any], file: Path) -> np.ndarray:
    """All columns of a table side by side."""
    return beside([columns[name] for name in columns], list(columns), shown(file)).astype(np.float32)
