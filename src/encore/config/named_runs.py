"""Runs by their folders, or by how their names or fingerprints begin; quick, and without reading a run."""

import os
from collections.abc import Iterator
from pathlib import Path

from encore.errors import InputError

RESULT, SEAL = "result.json", "record.sha256"  # by which a folder is a run's
FREED = "freed.json"  # files that were removed later on purpose, and when
BIN = ".bin"  # below runs_dir: what was deleted
SHOWN = 10  # runs in a message


def runs_dir() -> Path:
    """Where runs are, unless a config says otherwise."""
    return Path(os.environ.get("ENCORE_RUNS_DIR") or "runs")


def a_run(word: str) -> Path:
    """The path that a command's argument names: itself if it exists, or the run below runs_dir that it begins.

    For argparse's `type`. What names nothing stays as it is, so that reading it says so.

    Raises:
        InputError: it is the beginning of several.
    """
    if Path(word).exists() or not word:
        return Path(word)
    return the_one(word, runs_dir()) or Path(word)


def the_one(word: str, below: Path) -> Path | None:
    """The run below a folder whose name, fingerprint, settings or path begin so; None if there is none.

    Raises:
        InputError: there are several.
    """
    if (below / word).exists():
        return below / word
    found = [folder for folder in find(below) if begins(folder.relative_to(below), word)]
    same = [folder for folder in found if word in (folder.name, mark_of(folder.name))]
    if len(found) == 1 or len(same) == 1:
        return (same or found)[0]
    if found:
        more = [f"… and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        lines = [f"{word} is the beginning of {len(found)} runs: name one", *map(str, found[:SHOWN]), *more]
        raise InputError("\n  ".join(lines))
    return None


def begins(run: Path, word: str) -> bool:
    """Whether a word is how a run's path begins, from any of its folders on, or its fingerprint."""
    paths = ("/".join(run.parts[place:]) for place in range(len(run.parts)))
    return any(name.startswith(word) for name in (*paths, mark_of(run.name)))


def mark_of(name: str) -> str:
    """The fingerprint in a folder's name, and what counts the runs of one fingerprint."""
    return name.partition("-")[2] if name.startswith("seed") else name


def find(folder: Path) -> Iterator[Path]:
    """Run folders in or below a folder, in order of path; also those that have lost their result."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != BIN]
        if {RESULT, SEAL} & set(names):
            found.append(Path(place))
    yield from sorted(found)
