"""Files that are whole or not there: written beside their place, made durable, then moved into it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from encore.errors import InputError


def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Give a file new content in one step; at any moment the old or the new one is there, whole.

    Raises:
        OSError: it cannot be written; the old file is untouched and nothing else is left.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the folder's own entry, where folders can be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write a text in one step."""
    replace(path, lambda stream: stream.write(text.encode()))


def write_json(path: Path, value: Any) -> None:
    """Write plain values in one step. Numbers that are not finite become texts, as JSON has none."""
    write_text(path, json.dumps(strict(value), indent=2, allow_nan=False) + "\n")


def strict(value: Any) -> Any:
    """Plain values that JSON can hold."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return str(value) if isinstance(value, float) and value - value != 0 else value


def read_json(path: Path) -> Any:
    """Read plain values.

    Raises:
        InputError: the file is not there or is no JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as problem:
        raise InputError(f"there is no {path}") from problem
    except (OSError, ValueError) as problem:
        raise InputError(f"{path} cannot be read: {problem}") from problem
