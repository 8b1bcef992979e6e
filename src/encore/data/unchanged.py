"""Files that must stay what they are while a run reads them."""

import os
from pathlib import Path

import numpy as np

from encore.data.pixels import shown
from encore.errors import InputError

REMEDY = "bring it back, and the same command goes on"
FACTS = np.dtype([("bytes", np.uint64), ("changed", np.int64), ("inode", np.uint64)])


def facts(file: str | Path) -> tuple[int, int, int]:
    """What is the same while a file is: its size, time of change in nanoseconds, and inode.

    Raises:
        InputError: it is not there.
    """
    try:
        found = os.stat(file)  # noqa: PTH116 (quick)
    except OSError as problem:
        raise InputError(f"{shown(Path(file))} is gone, or leads nowhere: {problem.strerror}\n{REMEDY}") from problem
    return found.st_size, found.st_mtime_ns, found.st_ino


def check_same(file: str | Path, seen: tuple[int, int, int]) -> None:
    """Raise InputError if a file is not what it was when its facts were found."""
    if facts(file) != seen:
        raise InputError(f"{shown(Path(file))} has changed since the run began\n{REMEDY}")
