"""The finished runs among those that a command is given."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from encore.errors import InputError
from encore.record.result import Result
from encore.results.runs import folders_of, unfinished
from encore.results.table import ABSENT, Table, mixture, read


def finished(given: Iterable[Path], least: int = 2, alike: bool = False) -> tuple[Table, list[str]]:
    """Read the finished runs among and below folders, each once, and say what is left out.

    Args:
        given: run folders, or folders of runs.
        least: how many it takes.
        alike: also runs that have the same weights as another; as members of one thing they count once.

    Returns:
        The runs, and what is left out, with the reasons.

    Raises:
        InputError: fewer than `least` are left.
    """
    found, left_out = [], []
    for path in given:
        folders = folders_of(path)
        if not folders:
            left_out.append(f"there are no runs below {path}")
        for folder in folders:
            if problem := unfinished(folder):
                left_out.append(problem)
            else:
                found.append(folder)
    each = dict.fromkeys(found)
    table, unreadable = read(each if alike else different(each, left_out))
    left_out += unreadable
    for problem in left_out:
        print(f"left out: {problem}", file=sys.stderr)
    if len(table.runs) < least:
        count = f"{len(table.runs)} finished run{'' if len(table.runs) == 1 else 's'}"
        raise InputError(f"too few: {count}, where it takes {least}; python scripts/runs.py lists the runs")
    return table, left_out


def different(folders: Iterable[Path], left_out: list[str]) -> Iterator[Path]:
    """The runs with weights of their own: the same ones again, by code that changed no bit, are no other run."""
    known: dict[str, Path] = {}
    for folder in folders:
        weights = Result.read(folder).weights_sha256
        if weights is not None and (same := known.setdefault(weights, folder)) != folder:
            left_out.append(f"{folder} has the same weights as {same}")
        else:
            yield folder


def differences(table: Table, by: Sequence[str] = ()) -> list[str]:
    """In what runs differ that are put together, for a reader.

    Args:
        table: the runs.
        by: settings that are said elsewhere.
    """
    settings = dict.fromkeys(part(table, name) for name in table.different() if name not in by)
    said = [f"The runs differ in {', '.join(settings)}."] if settings else []
    if code := [name.removeprefix("code ") for name in mixture(table) if name.startswith("code ")]:
        said.append(f"They were made by different code: {', '.join(code)}.")
    return said


def part(table: Table, setting: str) -> str:
    """A setting, or the callback or the like that it is a setting of, where not every run has that."""
    absent = (table.settings[setting] == ABSENT).any()
    return setting.rpartition(".")[0] if absent and setting.count(".") > 1 else setting
