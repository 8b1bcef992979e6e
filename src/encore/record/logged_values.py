"""What a run's metrics.csv holds, read once however many values are asked of it; without torch."""

import csv
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from encore.errors import InputError
from encore.files import open_regular

FILE = "metrics.csv"
PLACE = ("epoch", "step")  # the columns that say where a row's values belong
LARGEST = 2**30  # bytes; a row has about a hundred


@dataclass(frozen=True)
class Log:
    """A metrics.csv as text.

    Attributes:
        names: the metrics.
        rows: for each row its epoch and step, and its cells in the order of the metrics; a short row has fewer.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]


def log_of(folder: Path) -> Log | None:
    """Read a run's metrics.csv; None if it has none.

    Raises:
        InputError: it cannot be read, or is no such table.
    """
    file = folder / FILE
    try:
        seen = file.lstat()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise InputError(f"{file} cannot be read: {problem}") from problem
    return parsed(file, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)


@lru_cache(maxsize=16)  # a run's metrics are asked for one after the other
def parsed(file: Path, *_: int) -> Log:
    """Read a file; the numbers say which content is meant."""
    try:
        with io.TextIOWrapper(open_regular(file, LARGEST), encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, ValueError, csv.Error) as problem:
        raise InputError(f"{file} cannot be read: {problem}") from problem
    header = tuple(rows[0]) if rows else ()
    if header[:2] != PLACE:
        raise InputError(f"{file} cannot be read: its columns do not begin with {' and '.join(PLACE)}")
    if long := next((number for number, row in enumerate(rows) if len(row) > len(header)), None):
        raise InputError(f"{file} cannot be read: row {long} has more cells than there are columns")
    return Log(header[2:], tuple((row[0], row[1] if len(row) > 1 else "", tuple(row[2:])) for row in rows[1:]))
