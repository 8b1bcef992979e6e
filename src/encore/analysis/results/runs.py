"""Finds runs below folders."""

import os
from collections.abc import Iterable
from pathlib import Path

from encore.config.named_runs import find
from encore.errors import InputError
from encore.record.result import Result
from encore.terminal import counted


def folders_of(given: Path) -> list[Path]:
    """The run folders below a folder, itself among them; anything else unchanged, so that reading reports it."""
    return list(find(given)) if given.is_dir() else [given]


def below(given: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The run folders in or below those given, each once, and messages about folders without any."""
    folders: dict[Path, Path] = {}
    empty = []
    for path in given:
        found = folders_of(path)
        if not found:
            empty.append(f"there are no runs below {path}")
        for folder in found:
            folders.setdefault(Path(os.path.realpath(folder)), folder)  # which a loop of links has, too
    return list(folders.values()), empty


def ended(folders: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The folders of runs that have ended, finished or diverged, and messages about the others."""
    kept, left_out = [], []
    for folder in folders:
        try:
            run = Result.read(folder)
        except InputError as problem:
            left_out.append(str(problem))
            continue
        if run.status in ("finished", "diverged"):
            kept.append(folder)
        else:
            left_out.append(f"{folder} {run.standing}")
    return kept, left_out


def results(folder: Path) -> tuple[list[Result], list[str]]:
    """The results below a folder by start time, and what could not be read.

    Raises:
        InputError: the folder does not exist.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: name the one that holds the runs, as runs_dir does")
    read, unreadable = [], []
    folders = list(find(folder))
    for path in counted(folders, len(folders), "reading", " runs"):
        try:
            read.append(Result.read(path))
        except InputError as problem:
            unreadable.append(str(problem))
    return sorted(read, key=lambda result: result.started), unreadable


def unfinished(folder: Path) -> str | None:
    """Why a folder's run has no result, or None."""
    try:
        run = Result.read(folder)
    except InputError as problem:
        return str(problem)
    if run.status == "finished":
        return None
    return f"{folder} {run.standing}" + (f": {run.error.splitlines()[0]}" if run.error else "")
