"""The runs that there are."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from encore.errors import InputError
from encore.record.result import Result


def find(folder: Path) -> Iterator[Path]:
    """Run folders below a folder, in the order of their paths."""
    for result in sorted(folder.rglob("result.json")):
        yield result.parent


def folders_of(given: Path) -> list[Path]:
    """The run folders below a folder, itself among them; what is no folder as it is, to be read and found missing."""
    return list(find(given)) if given.is_dir() else [given]


def below(given: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The runs' folders among and below those given, each once, and what has none."""
    folders: dict[Path, Path] = {}
    empty = []
    for path in given:
        found = folders_of(path)
        if not found:
            empty.append(f"there are no runs below {path}")
        for folder in found:
            folders.setdefault(folder.resolve(), folder)
    return list(folders.values()), empty


def ended(folders: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The folders of runs that have come to an end, finished or diverged; and what the others are."""
    kept, left_out = [], []
    for folder in folders:
        try:
            status = Result.read(folder).status
        except InputError as problem:
            left_out.append(str(problem))
            continue
        if status in ("finished", "diverged"):
            kept.append(folder)
        else:
            left_out.append(f"{folder} is {status}")
    return kept, left_out


def results(folder: Path) -> tuple[list[Result], list[str]]:
    """The results below a folder by start, and what could not be read.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    read, unreadable = [], []
    for path in find(folder):
        try:
            read.append(Result.read(path))
        except InputError as problem:
            unreadable.append(str(problem))
    return sorted(read, key=lambda result: result.started), unreadable


def unfinished(folder: Path) -> str | None:
    """Why a folder's run has nothing to give, or None."""
    try:
        run = Result.read(folder)
    except InputError as problem:
        return str(problem)
    if run.status == "finished":
        return None
    return f"{folder} is {run.status}" + (f": {run.error.splitlines()[0]}" if run.error else "")
