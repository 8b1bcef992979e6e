"""The finished runs among those that a command is given."""

from collections.abc import Iterable
from pathlib import Path

from encore.errors import InputError
from encore.record.result import Result
from encore.results.runs import folders_of
from encore.results.table import Table, read


def members(given: Iterable[Path], least: int = 2) -> tuple[Table, list[str]]:
    """Read the finished runs among and below folders, each once.

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
    table, unreadable = read(dict.fromkeys(found))
    left_out += unreadable
    if len(table.runs) < least:
        listed = "\n".join(f"  left out: {problem}" for problem in left_out)
        raise InputError(
            f"{len(table.runs)} finished runs are too few: it takes {least}; python scripts/runs.py lists the runs"
            + (f"\n{listed}" if listed else "")
        )
    return table, left_out


def unfinished(folder: Path) -> str | None:
    """Why a folder's run has nothing to give, or None."""
    try:
        run = Result.read(folder)
    except InputError as problem:
        return str(problem)
    if run.status == "finished":
        return None
    return f"{folder} is {run.status}" + (f": {run.error.splitlines()[0]}" if run.error else "")
