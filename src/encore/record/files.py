"""Files that are whole or not there: written beside their place, made durable, then moved into it."""

import errno
import hashlib
import json
import os
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from encore.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT)


class NoRoom(OSError):
    """A disk has fewer bytes than a file needs; the message says how many."""


def replace(path: Path, content: bytes, keep: Path | None = None) -> None:
    """Give a file new content in one step; at any moment the old or the new one is there, whole.

    Args:
        path: the file.
        content: all of what it is to hold.
        keep: where the old content stays.

    Raises:
        NoRoom: the disk is full.
        OSError: it cannot be written. In any case the old file is untouched and nothing else is left.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if keep is not None and path.is_file():
            keep_as(path, keep)
        beside.replace(path)
    except BaseException as problem:
        beside.unlink(missing_ok=True)
        if isinstance(problem, OSError) and problem.errno in FULL:
            free = shutil.disk_usage(path.parent).free
            raise NoRoom(problem.errno, f"{path.name} needs {len(content):,} bytes; {free:,} are free") from problem
        raise
    if os.name == "posix":  # elsewhere folders cannot be opened
        make_durable(path.parent)


def keep_as(path: Path, keep: Path) -> None:
    """Give a file's content a second name, in one step and without copying where the file system can."""
    beside = keep.with_name(f".{keep.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        os.link(path, beside)
    except OSError:  # a file system without links
        shutil.copyfile(path, beside)
    beside.replace(keep)


def make_durable(path: Path) -> None:
    """Put on disk what has been written to a file, or the entries of a folder."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_text(path: Path, text: str) -> None:
    """Write a text in one step."""
    replace(path, text.encode())


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
        if path.exists() and not path.is_file():  # a pipe might never end
            raise InputError(f"{path} is no file")
        return json.loads(path.read_text())
    except FileNotFoundError as problem:
        raise InputError(f"there is no {path}") from problem
    except (OSError, ValueError, RecursionError) as problem:
        raise InputError(f"{path} cannot be read: {problem}") from problem


def sha256(file: Path) -> str:
    """The SHA-256 of a file; not read again while its size and times are the same in this process."""
    seen = file.stat()
    return digest_of(file, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)


@lru_cache(maxsize=100_000)
def digest_of(file: Path, *_: int) -> str:
    """Read a file's digest; the numbers say which content is meant."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
