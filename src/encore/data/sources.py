"""Where examples come from: any class with arrays, or with one example at a time, read the same way."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from encore.config.build import root, takes
from encore.data.classes import check_number, if_as_many
from encore.data.contract import Source
from encore.data.fetching import built, check_arguments, download, replaced, unreadable, verify
from encore.data.layout import arranged, natural
from encore.data.named.columns import tensor
from encore.data.named.named_source import ColumnSource, NamedSource
from encore.data.named.open import names_in, open_named
from encore.data.offline import refused
from encore.data.pixels import BROKEN, as_array, shown
from encore.data.published import can_be_fetched
from encore.data.readers.folders import PictureFolder
from encore.errors import ConfigError, EncoreError, InputError, NotHere
from encore.terminal import counted

CHUNK = 512  # examples at a time
TARGETS = ("targets", "labels", "target", "_labels")


class ArraySource:
    """Examples in memory as one array."""

    def __init__(self, inputs: Tensor, targets: Tensor, classes: Sequence[str] | None = None) -> None:
        self.inputs, self.targets, self.classes = inputs, targets, classes

    def __len__(self) -> int:
        return len(self.targets)

    def tensors(self) -> dict[str, Tensor]:
        return {"inputs": self.inputs, "targets": self.targets}

    def read(self, indices: Sequence[int]) -> Tensor:
        """Inputs at the indices, [k, *shape]."""
        return self.inputs.index_select(0, torch.as_tensor(indices, dtype=torch.long))


class MapSource:
    """Examples that are made one at a time, such as pictures in files; each is resized to `shape`."""

    def __init__(self, dataset: Any, targets: Tensor, shape: Sequence[int]) -> None:
        self.dataset, self.targets, self.shape = dataset, targets, tuple(shape)
        self.classes = names_in(dataset)

    def __len__(self) -> int:
        return len(self.targets)

    def tensors(self) -> None:
        """None: the inputs are not in memory."""

    def read(self, indices: Sequence[int]) -> Tensor:
        """Inputs at the indices, decoded now, [k, *shape]."""
        if hasattr(self.dataset, "read_batch"):  # a packed one
            return torch.as_tensor(self.dataset.read_batch(indices, self.shape))
        examples = [self.example(int(index)) for index in indices]
        return torch.stack(examples) if examples else torch.empty(0, *self.shape)

    def example(self, index: int) -> Tensor:
        """One input, [*shape]."""
        if isinstance(self.dataset, PictureFolder):
            return torch.from_numpy(self.dataset.pixels(index, self.shape))
        try:
            value = self.dataset[index][0]
            if hasattr(value, "convert"):
                value = torch.from_numpy(as_array(value, self.shape[0], self.shape[1:]))
        except BROKEN as problem:
            raise InputError(f"example {index}{self.path(index)} cannot be read: {problem}") from problem
        return natural(torch.as_tensor(value)).reshape(self.shape)

    def path(self, index: int) -> str:
        """The file that an example is of, where the dataset tells."""
        samples = getattr(self.dataset, "samples", None)
        return f", {shown(Path(samples[index][0]))}," if isinstance(samples, list) else ""

    def in_memory(self) -> ArraySource:
        """The same, all of it made now."""
        chunks = torch.arange(len(self)).split(CHUNK)
        whole = self.read([0]).new_empty(len(self), *self.shape)
        for chunk in counted(chunks, len(chunks), "reading pictures"):
            whole[chunk] = self.read(chunk.tolist())
        return ArraySource(whole, self.targets, self.classes)


class Npz:
    """Two arrays of a NumPy archive: inputs [n, …] and targets [n]."""

    def __init__(self, path: str, inputs: str, targets: str) -> None:
        try:
            with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                self.data, self.targets = archive[inputs], archive[targets]
        except FileNotFoundError as problem:
            raise NotHere(f"there is no file {path}") from problem
        except (OSError, ValueError, KeyError, IndexError, EOFError, BadZipFile, zlib.error, AttributeError) as problem:
            raise InputError(f"{path} is not a NumPy archive with {inputs} and {targets}: {problem}") from problem


def open_source(recipe: dict, data: dict, data_dir: Path) -> Source:
    """Build a dataset's source and read its contents.

    A target with a `root` looks for its files in `data_dir` unless the recipe sets another. Missing files are
    downloaded, if the target can do that.

    Raises:
        InputError: files missing, truncated or altered, or not of the shape and classes that the config states.
    """
    settings = {**recipe, "_target_": replaced(recipe)}
    target = settings["_target_"]
    if "root" not in recipe and takes(target, "root"):
        settings["root"] = str(data_dir)
    if refused.get():
        settings.pop("download", None)
    check_arguments(settings)
    try:
        dataset = built(settings)
    except EncoreError:
        raise
    except (RuntimeError, FileNotFoundError) as missing:
        if not can_be_fetched(target):
            kind = NotHere if isinstance(missing, FileNotFoundError) else InputError
            raise kind(f"data={data['name']} cannot be read: {root(missing)}") from missing
        dataset = download(settings, data, data_dir, read)
    except Exception as problem:  # whatever a class makes of files that are broken
        raise unreadable(problem, target, data, data_dir) from problem
    return read(dataset, data, whole=recipe == data["train"])


def fetch_again(data: dict, data_dir: Path) -> None:
    """Fetch a dataset whose files are not here, or not what was published; each is replaced whole by one that is.

    Raises:
        InputError: it cannot be fetched.
    """
    try:
        for part in ("train", "test"):
            if data.get(part):
                verify(data, data_dir)
                open_source(data[part], data, data_dir)
    except NotHere:
        raise
    except InputError:
        recipe = data["train"]
        if not can_be_fetched(recipe["_target_"]):
            raise
        download({"root": str(data_dir), **recipe}, data, data_dir, read)


def read(dataset: Any, data: dict, whole: bool = True) -> Source:
    """The examples of a dataset object, checked against the shape and classes that the config states.

    Args:
        dataset: the object.
        data: the recipe.
        whole: whether it has all classes; a test set may lack some.
    """
    if data.get("inputs") is not None:
        named = open_named(dataset, data)
        if whole and named.class_target() is not None:
            check_number(named.classes, data["num_classes"], data["name"])
        return (None if by_name(data) else simple(named)) or named
    if data["shape"] is None or isinstance(data["shape"], dict):
        raise ConfigError(
            f"data={data['name']}: without data.inputs, which names the arrays, data.shape is a list, the shape of an "
            "example"
        )
    name, shape, classes = data["name"], tuple(data["shape"]), data["num_classes"]
    found = next((getattr(dataset, key) for key in TARGETS if hasattr(dataset, key)), None)
    if found is None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise ConfigError(
                f"data={name}: {type(dataset).__name__} is not a dataset: it has no targets and no examples"
            )
        found = [dataset[index][1] for index in range(len(dataset))]
    if whole and (isinstance(dataset, PictureFolder) or hasattr(dataset, "read_batch")):
        check_number(dataset.classes, classes, name)
    labels = array_of(found, name, "targets")
    if not len(labels):
        raise InputError(f"data={name} holds no examples")
    targets = numbers(labels, name) if classes is None else class_numbers(labels, classes, name)
    if not hasattr(dataset, "data"):
        if hasattr(dataset, "check_shape"):
            dataset.check_shape(shape)
        elif len(shape) != 3 or shape[0] not in (1, 3):
            raise InputError(
                f"data={name} holds pictures: data.shape must be [1 or 3, height, width], not {list(shape)}"
            )
        source = MapSource(dataset, targets, shape)
        if data.get("resident", True):
            return source.in_memory()
        if hasattr(dataset, "check"):
            dataset.check()
        return source
    held = array_of(dataset.data, name, "inputs")
    inputs = arranged(natural(tensor(held, f"data={name}: its array of inputs")), shape)
    if inputs is None:
        raise InputError(f"data={name} has examples of shape {list(held.shape[1:])}, not data.shape={list(shape)}")
    if len(inputs) != len(targets):
        raise InputError(f"data={name} has {len(inputs)} inputs but {len(targets)} targets")
    if inputs.is_floating_point() and not torch.isfinite(inputs).all():
        raise InputError(f"data={name} has inputs that are not finite numbers")
    return ArraySource(inputs, targets, if_as_many(names_in(dataset), classes))


def array_of(values: Any, name: str, what: str) -> np.ndarray:
    """An array with a row an example.

    Raises:
        InputError: it is one value, or rows of several lengths.
    """
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as problem:  # RuntimeError: torch's, of a tensor that needs gradients
        raise InputError(f"data={name} has {what} that are no array: {' '.join(str(problem).split())}") from problem
    if not array.ndim:
        raise InputError(f"data={name} has {what} of one value ({array.dtype}): there must be a row an example")
    return array


def by_name(data: dict) -> bool:
    """Whether settings name individual arrays."""
    norm = data["normalize"]
    return (
        bool(data.get("prepare"))
        or isinstance(data.get("stratify"), str)
        or bool(data.get("group_by"))
        or (isinstance(norm, dict) and set(norm) != {"mean", "std"})
    )


def simple(source: NamedSource) -> Source | None:
    """One input and one target in memory as a plain source; None if the source is anything else."""
    inputs, targets = ([field for field in source.fields if field.is_target is which] for which in (False, True))
    if not isinstance(source, ColumnSource) or len(inputs) != 1 or len(targets) != 1:
        return None
    values, truth = source.columns[inputs[0].id], source.columns[targets[0].id]
    if not isinstance(values, Tensor) or not isinstance(truth, Tensor):
        return None
    if values.dtype not in (torch.uint8, torch.float32) or values.ndim < 2:
        return None
    if targets[0].classes is None or truth.ndim > 1:
        return ArraySource(values, truth, source.classes) if truth.dtype == torch.float32 else None
    return ArraySource(values, truth.long(), source.classes)


def class_numbers(labels: np.ndarray, classes: int, name: str) -> Tensor:
    """Targets as int64 in [0, classes): [n], or [n, …] if an example has several."""
    whole = labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == labels.round()).all()
    if labels.dtype.kind not in "iub" and not whole:
        raise InputError(f"data={name} has targets of type {labels.dtype}; classes are whole numbers from 0")
    if not labels.size:
        raise InputError(f"data={name} has targets of shape {list(labels.shape)}: no class numbers")
    labels = labels.astype(np.int64)
    if labels.size == len(labels):
        labels = labels.flatten()
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise InputError(
            f"data={name} has classes {low} to {high}; data.num_classes={classes} allows 0 to {classes - 1}"
        )
    return torch.from_numpy(labels)


def numbers(labels: np.ndarray, name: str) -> Tensor:
    """Targets as float32: [n, 1], or [n, …] if an example has several."""
    if labels.dtype.kind not in "iufb" or not np.isfinite(labels).all():
        raise InputError(f"data={name} has targets that are not finite numbers, as many for each example")
    return torch.from_numpy(labels.astype(np.float32).reshape(len(labels), *labels.shape[1:] or (1,)))
