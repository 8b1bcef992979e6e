"""Files as raw examples: pictures, arrays, tables and texts."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from encore.data.contract import Source
from encore.data.named.columns import beside
from encore.data.pixels import as_array, opened, shown
from encore.data.readers.archive import archive
from encore.data.readers.tables import table
from encore.errors import InputError
from encore.use.inputs import Inputs
from encore.use.model import Model
from encore.use.paths import ARRAYS, TABLES, TEXTS, lines

Named = tuple[list[str], Source]


def examples(model: Model, files: Iterator[Path], tell: Callable[[str], None]) -> Iterator[Named]:
    """Files as examples with their names, many pictures at once; those that cannot be read are told of.

    Raises:
        InputError: the model reads nothing of the kind.
    """
    inputs = model.inputs
    if inputs is None:
        raise InputError(
            f"{model.folder}: its data module is not Encore's, so how files become its inputs is not known: "
            "encore.load(RUN).predict(inputs) in Python"
        )
    many = model.config["data"].get("eval_batch_size", 1024)
    names: list[str] = []
    pictures: list[np.ndarray] = []
    for file in files:
        try:
            if file.suffix.lower() in (*ARRAYS, *TABLES, *TEXTS):
                source = of_file(model, inputs, file)
                yield [f"{shown(file)}:{number + 1}" for number in range(len(source))], source
                continue
            pictures.append(picture(inputs, file))
            names.append(shown(file))
        except InputError as problem:
            tell(str(problem))
        except MemoryError:
            tell(f"{shown(file)} cannot be read: there is too little memory for it")
        if len(pictures) == many:
            yield names, of_pictures(inputs, pictures)
            names, pictures = [], []
    if pictures:
        yield names, of_pictures(inputs, pictures)


def picture(inputs: Inputs, file: Path) -> np.ndarray:
    """A picture's bytes [channels, height, width], of the size that the model reads, as in training."""
    array = inputs.alone
    if array is None or not array.is_picture:
        raise InputError(f"{shown(file)}: the model reads no pictures; arrays are {', '.join((*ARRAYS, *TABLES))}")
    channels, *size = array.shape
    with opened(file) as image:
        return as_array(image, channels, size)


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
    raise InputError(f"{shown(file)} holds {', '.join(held)}: which are the inputs? Leave only these")


def numbers(columns: Mapping[str, Any], file: Path) -> np.ndarray:
    """All columns of a table side by side."""
    return beside([columns[name] for name in columns], list(columns), shown(file)).astype(np.float32)
