"""Checkpoint files: whole or not there, with their digests kept beside them, and nothing in them is ever executed."""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import CheckpointIO
from torch import Tensor

from encore.errors import InputError
from encore.record.files import read_json, replace, sha256, write_json

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
DIGESTS = "digests.json"


class WholeFiles(CheckpointIO):
    """How Lightning writes and reads a run's checkpoints."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write in one step."""
        save(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        """Read tensors and plain values."""
        return load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a file."""
        Path(path).unlink(missing_ok=True)


def save(content: dict[str, Any], path: Path) -> None:
    """Write a checkpoint in one step, and keep the last.ckpt before, if it is good, as previous.ckpt.

    Its digest is known before it is in place, and those of the files that are there stay known until it is:
    digests.json knows every good file, whenever and however often the writing is cut off.

    Raises:
        OSError: it cannot be written. torch's own writing to a full disk raises a RuntimeError that says nothing.
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


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        InputError: it is not there, truncated or altered, or holds more than tensors and plain values.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as problem:
        raise InputError(f"there is no checkpoint {path}") from problem
    except OSError as problem:
        raise InputError(f"{path} cannot be read: {problem}") from problem
    known, actual = digests(path.parent), hashlib.sha256(content).hexdigest()
    if actual not in {entry["sha256"] for entry in known.values()}:
        expected = known.get(path.name, {}).get("sha256")
        raise InputError(
            f"{path} is truncated or altered: its SHA-256 is {actual}, "
            + (f"not {expected}" if expected else f"and {DIGESTS} beside it knows of none")
        )
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as problem:  # torch raises whatever a broken archive happens to lead to
        raise InputError(f"{path} is no checkpoint that can be read: {str(problem).splitlines()[0]}") from problem


def digests(folder: Path) -> dict[str, dict[str, Any]]:
    """What is known of a folder's checkpoints: for each its SHA-256, bytes, epochs and steps."""
    try:
        known = read_json(folder / DIGESTS)
    except InputError:
        return {}
    usable = isinstance(known, dict) and all(isinstance(e, dict) and "sha256" in e for e in known.values())
    return known if usable else {}


def digest(weights: dict[str, Tensor]) -> str:
    """SHA-256 of named tensors: their names, types, shapes and bytes."""
    whole = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        value = tensor.detach().cpu().contiguous()
        whole.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        if value.numel():  # what came of an empty array has no view
            whole.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return whole.hexdigest()
