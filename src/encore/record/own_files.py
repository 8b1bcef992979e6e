"""Which files of a run's folder are the run's own. All others are the user's, and stay."""

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from encore.errors import InputError
from encore.record.lock import LOCK

FOLDERS = ("checkpoints", "tables", "projector")
# A run that begins anew writes over these, and makes the others again.
KEPT = (LOCK, "config.yaml", "result.json", "train.log")
REMADE = (
    "manifest.json", "metrics.csv", "losses.f32", "pruning.json", "record.sha256", "record.sha256.sig",
    "freed.json", "profile.txt", "trace.json", "lr_finder.png", "lr_finder.csv",
    "events.out.tfevents.*", "delivered-*.jsonl", "tables/*.csv",
    "projector_config.pbtxt", "projector/points.tsv", "projector/labels.tsv", "projector/pictures.png",
    "checkpoints/last.ckpt", "checkpoints/previous.ckpt", "checkpoints/best.ckpt", "checkpoints/digests.json",
    "checkpoints/preparation.ckpt",
)  # fmt: skip
# A file that was being written when a process was killed: `.NAME.PID`.
DEBRIS = re.compile(r"\.(.+?)\.[0-9]+(\.all)?")


def entries(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """What is in a run's folder and in those that it makes there, by its path in the run's folder."""
    for above in ("", *FOLDERS):
        place = folder / above
        if (place.is_symlink() and above) or not place.is_dir():
            continue
        with os.scandir(place) as found:
            yield from ((f"{above}/{entry.name}" if above else entry.name, entry) for entry in found)


def is_own(path: str, patterns: tuple[str, ...] = (*KEPT, *REMADE)) -> bool:
    """Whether a run writes a file of this path."""
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def is_debris(path: str) -> bool:
    """Whether it is what is left of writing such a file."""
    above, slash, name = path.rpartition("/")
    found = DEBRIS.fullmatch(name)
    return found is not None and is_own(f"{above}{slash}{found[1]}")


def check_own(folder: Path) -> None:
    """Check that a run writes into its own folder: through a link it would write elsewhere, into a pipe for ever.

    Raises:
        InputError: something else stands where a run writes a file or makes a folder.
    """
    for path, entry in entries(folder):
        if path in FOLDERS:
            good, what = entry.is_dir(follow_symlinks=False), "folder"
        elif is_own(path) or is_debris(path):
            good, what = entry.is_file(follow_symlinks=False), "file"
        else:
            continue
        if not good:
            kind = "a link" if entry.is_symlink() else f"no {what}"
            raise InputError(f"{entry.path} is {kind}, where the run has a {what} of its own: move it away")


def remove_debris(folder: Path) -> None:
    """Remove what killed processes have left of files that they were writing."""
    for path, entry in entries(folder):
        if is_debris(path):
            Path(entry.path).unlink()


def remove_own(folder: Path) -> None:
    """Remove what a run has made, but for what it writes over."""
    for path, entry in entries(folder):
        if is_own(path, REMADE) or is_debris(path):
            Path(entry.path).unlink()
