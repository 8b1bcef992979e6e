"""Where examples come from: any class with arrays, or with one example at a time, read the same way."""

import socket
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from math import prod
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from encore.build import root, takes, target_of
from encore.data.offline import refused
from encore.errors import ConfigError, EncoreError, InputError, NotHere
from encore.record.files import sha256

DATA = ("data",)
TARGETS = ("targets", "labels", "target", "_labels")


class Source(Protocol):
    """Examples that can be read by index."""

    targets: Tensor  # class numbers, int64 [n], or one number an example, float32 [n, 1]
    classes: Sequence[str] | None  # their names, where the dataset has any

    def read(self, indices: Sequence[int]) -> Tensor:
        """The raw inputs of the indices given: uint8 or float32 [k, *shape]."""
        ...


class ArraySource:
    """Examples that lie in memory as one array."""

    def __init__(self, inputs: Tensor, targets: Tensor, classes: Sequence[str] | None = None) -> None:
        self.inputs, self.targets, self.classes = inputs, targets, classes

    def read(self, indices: Sequence[int]) -> Tensor:
        """The inputs of the indices, [k, *shape]."""
        return self.inputs.index_select(0, torch.as_tensor(indices, dtype=torch.long))


class MapSource:
    """Examples that are made one at a time, such as pictures in files; each is resized to `shape`."""

    def __init__(self, dataset: Any, targets: Tensor, shape: Sequence[int]) -> None:
        self.dataset, self.targets, self.shape = dataset, targets, tuple(shape)
        self.classes = getattr(dataset, "classes", None)

    def read(self, indices: Sequence[int]) -> Tensor:
        """The inputs of the indices, decoded now, [k, *shape]."""
        examples = [self.example(int(index)) for index in indices]
        return torch.stack(examples) if examples else torch.empty(0, *self.shape)

    def example(self, index: int) -> Tensor:
        """One input, [*shape]."""
        try:
            value = self.dataset[index][0]
        except (OSError, ValueError, SyntaxError) as problem:  # what PIL raises for a broken picture
            raise InputError(f"example {index} cannot be read: {problem}") from problem
        if hasattr(value, "convert"):
            channels, height, width = self.shape
            picture = value.convert("L" if channels == 1 else "RGB").resize((width, height))
            value = torch.from_numpy(np.array(picture)).reshape(height, width, channels).permute(2, 0, 1)
        return natural(torch.as_tensor(value)).reshape(self.shape)


class Npz:
    """Two arrays of a NumPy archive: inputs [n, …] and targets [n]."""

    def __init__(self, path: str, inputs: str, targets: str) -> None:
        try:
            with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                self.data, self.targets = archive[inputs], archive[targets]
        except FileNotFoundError as problem:
            raise NotHere(f"there is no file {path}") from problem
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as problem:
            raise InputError(f"{path} is no NumPy archive with {inputs} and {targets}: {problem}") from problem


def open_source(recipe: dict, data: dict, data_dir: Path) -> Source:
    """Build a dataset's source and read what it holds.

    A target with a `root` finds its files in `data_dir` unless the recipe says where. What is not there is
    downloaded, if the target can.

    Raises:
        InputError: files missing, truncated or altered, or not of the shape and classes that the config states.
    """
    target, settings = recipe["_target_"], dict(recipe)
    if "root" not in recipe and takes(target, "root"):
        settings["root"] = str(data_dir)
    try:
        with reading_once(target):
            return read(target_of(settings, "data")(), data)
    except EncoreError:
        raise
    except TypeError as problem:  # a setting that the target has not
        raise ConfigError(f"cannot build data from {target}: {root(problem)}") from problem
    except (RuntimeError, FileNotFoundError) as missing:
        if not takes(target, "download"):
            kind = NotHere if isinstance(missing, FileNotFoundError) else InputError
            raise kind(f"data={data['name']} cannot be read: {root(missing)}") from missing
        return read(download(settings, data, data_dir), data)
    except Exception as problem:  # whatever a reader makes of files that are broken
        raise InputError(
            f"a file of data={data['name']} in {data_dir.resolve()} is truncated or altered: {root(problem)}\n"
            f"delete it and fetch it again: python scripts/fetch_data.py {data['name']}"
        ) from problem


def download(settings: dict, data: dict, data_dir: Path) -> Any:
    """Build a torchvision dataset that fetches its files, from its mirrors and with its checksums."""
    if refused.get():
        raise NotHere(
            f"data={data['name']} is not in {data_dir}, or altered: "
            f"python scripts/fetch_data.py {data['name']} fetches it"
        )
    try:
        print(f"data={data['name']} is missing from {data_dir}, or altered: downloading", file=sys.stderr)
        data_dir.mkdir(parents=True, exist_ok=True)
        with time_limit(30), redirect_stdout(sys.stderr):
            dataset = target_of({**settings, "download": True}, "data")()
    except (RuntimeError, OSError) as problem:
        raise NotHere(
            f"data={data['name']} is not in {data_dir.resolve()}, or altered, and it could not be downloaded: "
            f"{root(problem)}\n"
            f"with a network, python scripts/fetch_data.py {data['name']} fetches it; "
            f"with --from FOLDER it takes files that you have; data=digits needs no download"
        ) from problem
    verify(data, data_dir)
    return dataset


@contextmanager
def reading_once(target: str) -> Iterator[None]:
    """Let torchvision read files of MNIST's format with `read_idx`."""
    if not target.startswith("torchvision."):
        yield
        return
    from torchvision.datasets import mnist

    plain = mnist.read_sn3_pascalvincent_tensor
    mnist.read_sn3_pascalvincent_tensor = read_idx
    try:
        yield
    finally:
        mnist.read_sn3_pascalvincent_tensor = plain


def read_idx(path: str, strict: bool = True) -> Tensor:
    """A file of MNIST's format, uint8 [n, …] or [n], as torchvision's reader gives it, without a second copy."""
    with Path(path).open("rb") as stream:
        _, _, kind, dimensions = stream.read(4)
        shape = np.fromfile(stream, ">i4", dimensions).tolist()
        values = torch.from_numpy(np.fromfile(stream, np.uint8))
    assert kind == 8  # bytes
    assert len(values) == prod(shape)
    return values.view(shape)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """A limit on how long a connection may say nothing."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def verify(data: dict, data_dir: Path) -> None:
    """Raise InputError if a file that is there has not the digest that the dataset's config states."""
    for path, expected in (data.get("sha256") or {}).items():
        file = data_dir / path
        if expected and file.is_file() and (actual := sha256(file)) != expected:
            raise InputError(
                f"{file} is truncated or altered: its SHA-256 is {actual}, not {expected}\n"
                f"delete it and fetch it again: python scripts/fetch_data.py {data['name']}"
            )


def read(dataset: Any, data: dict) -> Source:
    """The examples of a dataset object, checked against the shape and classes that the config states."""
    name, shape, classes = data["name"], tuple(data["shape"]), data["num_classes"]
    found = next((getattr(dataset, key) for key in TARGETS if hasattr(dataset, key)), None)
    if found is None:
        found = [dataset[index][1] for index in range(len(dataset))]
    if not len(found):
        raise InputError(f"data={name} holds no examples")
    labels = np.asarray(found)
    targets = numbers(labels, name) if classes is None else class_numbers(labels, classes, name)
    if not hasattr(dataset, "data"):
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise InputError(
                f"data={name} holds pictures: data.shape must be [1 or 3, height, width], not {list(shape)}"
            )
        return MapSource(dataset, targets, shape)
    inputs = arranged(natural(torch.as_tensor(np.asarray(dataset.data))), shape)
    if inputs is None:
        raise InputError(
            f"data={name} has examples of shape {list(dataset.data.shape[1:])}, not data.shape={list(shape)}"
        )
    if len(inputs) != len(targets):
        raise InputError(f"data={name} has {len(inputs)} inputs but {len(targets)} targets")
    if inputs.is_floating_point() and not torch.isfinite(inputs).all():
        raise InputError(f"data={name} has inputs that are not finite numbers")
    return ArraySource(inputs, targets, getattr(dataset, "classes", None))


def class_numbers(labels: np.ndarray, classes: int, name: str) -> Tensor:
    """Targets as int64 [n], from 0 to one less than there are classes."""
    whole = labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == labels.round()).all()
    if labels.dtype.kind not in "iub" and not whole:
        raise InputError(f"data={name} has targets of type {labels.dtype}; classes are whole numbers from 0")
    labels = labels.astype(np.int64).flatten()
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise InputError(
            f"data={name} has classes {low} to {high}; data.num_classes={classes} allows 0 to {classes - 1}"
        )
    return torch.from_numpy(labels)


def numbers(labels: np.ndarray, name: str) -> Tensor:
    """Targets as float32 [n, 1]."""
    if labels.dtype.kind not in "iufb" or labels.size != len(labels) or not np.isfinite(labels).all():
        raise InputError(f"data={name} has targets that are not one finite number an example")
    return torch.from_numpy(labels.astype(np.float32).reshape(-1, 1))


def natural(values: Tensor) -> Tensor:
    """Bytes stay bytes; all else becomes float32."""
    return values if values.dtype == torch.uint8 else values.float()


def arranged(inputs: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """Inputs as [n, *shape]: channels first, one channel made explicit, flat ones laid out; None if they do not fit."""
    found = tuple(inputs.shape[1:])
    if len(shape) == 3 and found != shape and found == (*shape[1:], shape[0]):
        return inputs.permute(0, 3, 1, 2).contiguous()
    flat = 1 in (len(found), len(shape)) and prod(found) == prod(shape)
    return inputs.reshape(-1, *shape).contiguous() if found == shape or (1, *found) == shape or flat else None
