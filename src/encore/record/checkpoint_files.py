"""Checkpoint files: written atomically, with digests beside them, and read without executing anything."""

import hashlib
import io
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import CheckpointIO
from torch import Tensor

from encore.across_ranks import from_first
from encore.errors import InputError
from encore.files import make_folder, read_json, read_whole, replace, sha256, write_json

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
DIGESTS = "digests.json"
READABLE = frozenset((
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128, torch.bool,
    torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
))  # fmt: skip
UNKNOWN = 2**30  # bytes that are read of a checkpoint of which nothing is known, to say that it is altered


class WholeFiles(CheckpointIO):
    """Makes Lightning write and read a run's checkpoints this way.

    Attributes:
        readable: whether the first last.ckpt can be read again, as the types of what it holds tell.
    """

    readable: bool | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write atomically; one of Lightning's callbacks may save into a folder of its own."""
        make_folder(Path(path).parent)
        save(checkpoint, Path(path))
        if self.readable is None and Path(path).name == LAST:
            self.readable = is_readable(checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        return from_first(lambda: load(Path(path)))

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def save(content: dict[str, Any], path: Path) -> None:
    """Write a checkpoint atomically, and keep the previous last.ckpt, if it is good, as previous.ckpt.

    Its digest is recorded before the file is in place, and those of the existing files are kept until then:
    digests.json lists every good file, whenever and however often the write is interrupted.

    Raises:
        OSError: it cannot be written. On a full disk, torch itself would raise an unhelpful RuntimeError.
    """
    packed = io.BytesIO()
    torch.save(content, packed)
    new = packed.getvalue()
    folder = path.parent
    known = {entry["sha256"]: entry for entry in digests(folder).values()}
    here = {name: file for name in (LAST, PREVIOUS, BEST) if (file := folder / name).is_file()}
    good = {name: known[found] for name, file in here.items() if (found := sha256(file)) in known}
    entry = {
        "sha256": hashlib.sha256(new).hexdigest(),
        "bytes": len(new),
        "epoch": content.get("epoch"),
        "step": content.get("global_step"),
    }
    keep = folder / PREVIOUS if path.name == LAST and LAST in good else None
    write_json(folder / DIGESTS, {**good, "next": entry})
    replace(path, new, keep)
    if keep is not None:
        good[PREVIOUS] = good[LAST]
    write_json(folder / DIGESTS, {**good, path.name: entry})


def is_readable(value: Any) -> bool:
    """Whether a value is certain to be read again as it was: plain values and dense tensors, nested, and no subclasses.

    Other types may be, too; to read them shows it, which takes a hundred times as long.
    """
    kind = type(value)
    if kind in (dict, OrderedDict):
        inner = kind is dict or is_readable(vars(value))
        return inner and all(is_readable(key) and is_readable(item) for key, item in value.items())
    if kind in (list, tuple):
        return all(map(is_readable, value))
    if kind is Tensor:
        dense = value.layout == torch.strided and not value.is_nested and not vars(value)
        return dense and value.dtype in READABLE
    return kind in (type(None), bool, float, str) or (kind is int and value.bit_length() <= 64)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        InputError: it is not there, truncated or altered, or holds something else than named tensors and plain values.
    """
    known = digests(path.parent)
    content = read_whole(path, max((entry["bytes"] for entry in known.values()), default=0) or UNKNOWN)
    actual = hashlib.sha256(content).hexdigest()
    if actual not in {entry["sha256"] for entry in known.values()}:
        expected = known.get(path.name, {}).get("sha256")
        raise InputError(
            f"{path} is truncated or altered: its SHA-256 is {actual}, "
            + (f"not {expected}" if expected else f"and {DIGESTS} does not list it")
        )
    try:
        held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as problem:  # torch raises all kinds of errors for a broken archive
        raise InputError(f"{path} is not a readable checkpoint: {first_line(problem)}") from problem
    if not isinstance(held, dict) or not all(isinstance(key, str) for key in held):
        raise InputError(f"{path} is no checkpoint: it holds no values by name")
    return held


def first_line(problem: Exception) -> str:
    """What an error says first."""
    return (str(problem) or type(problem).__name__).splitlines()[0]


def weights(path: Path) -> dict[str, Tensor]:
    """A checkpoint's weights, by name.

    Raises:
        InputError: as `load`, or it has none.
    """
    return of_type(load(path), WEIGHTS, path)["state_dict"]


def best(path: Path) -> dict[str, Any]:
    """The checkpoint of the best weights: `state_dict`, and in `best` where they were chosen.

    Raises:
        InputError: as `load`, or it has no such thing.
    """
    return of_type(load(path), BEST_KEYS, path)


def state(path: Path) -> dict[str, Any]:
    """A checkpoint that a run can go on from.

    Raises:
        InputError: as `load`, or it lacks a part of the state.
    """
    return of_type(load(path), STATE, path)


def named(value: Any) -> bool:
    """Whether it is a dict by names."""
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def tensors(value: Any) -> bool:
    """Whether it is a module's state: named tensors, and what modules keep beside them."""
    return named(value) and all(
        isinstance(item, Tensor) or name.endswith("_extra_state") for name, item in value.items()
    )


def whole(value: Any) -> bool:
    """Whether a value is a number of epochs or steps."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


Keys = Mapping[str, Callable[[Any], bool]]
WEIGHTS: Keys = {"state_dict": tensors}
BEST_KEYS: Keys = {**WEIGHTS, "best": named, "epoch": whole}
STATE: Keys = {
    **WEIGHTS,
    "epoch": whole,
    "global_step": whole,
    "loops": named,
    "callbacks": lambda value: named(value) and all(isinstance(state, dict) for state in value.values()),
    "optimizer_states": lambda value: isinstance(value, list),
    "lr_schedulers": lambda value: isinstance(value, list),
}


def of_type(held: dict[str, Any], keys: Keys, path: Path) -> dict[str, Any]:
    """A checkpoint in which every key has a value of its type.

    Raises:
        InputError: one has none, or another.
    """
    for key, fits in keys.items():
        if key not in held:
            raise InputError(f"{path} is no checkpoint of a run: it has no {key}")
        if not fits(held[key]):
            raise InputError(f"{path} is no checkpoint of a run: its {key} is of another type")
    return held


def digests(folder: Path) -> dict[str, dict[str, Any]]:
    """What is recorded of a folder's checkpoints: for each its SHA-256, bytes, epochs and steps.

    Raises:
        InputError: the folder is a link, which may lead anywhere.
    """
    if folder.is_symlink():
        raise InputError(f"{folder} is a link, and is not followed: a run's checkpoints are in its own folder")
    try:
        known = read_json(folder / DIGESTS)
    except InputError:
        return {}
    return known if isinstance(known, dict) and all(map(is_entry, known.values())) else {}


def is_entry(entry: Any) -> bool:
    """Whether it is what is kept of a checkpoint."""
    return isinstance(entry, dict) and isinstance(entry.get("sha256"), str) and whole(entry.get("bytes"))
