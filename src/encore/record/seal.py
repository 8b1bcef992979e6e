"""record.sha256: the digests of a finished run's files, by which an altered record is told from a true one.

It is written when everything else is in place, just before result.json says that the run is over: at any moment a run
is either not over, or sealed. `sha256sum -c record.sha256` checks it without Encore. Its comments hold the sizes, so
that a file that has become huge is not read.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from types import MappingProxyType
from typing import Any

from encore.config import named_runs
from encore.errors import InputError
from encore.files import read_json, read_whole, sha256, write_text
from encore.provenance import contents

FILE, SIGNATURE, FREED = named_runs.SEAL, f"{named_runs.SEAL}.sig", named_runs.FREED
# A run that has one of these is over, and sealed.
OVER = ("finished", "diverged")
# What every figure comes with; the rest is checked where it is used.
ALWAYS = ("result.json", "manifest.json", "config.yaml")
# All that a seal binds. What users or other loggers put into the folder is not the record's.
BOUND = (
    *ALWAYS, "metrics.csv", "losses.f32", "train.log", "profile.txt", "trace.json", "pruning.json",
    "events.out.tfevents.*", "checkpoints/*", "tables/*.csv",
)  # fmt: skip
LINE, SIZE = re.compile(r"([0-9a-f]{64}) [ *](.+)"), re.compile(r"# (\d+) bytes: (.+)")
LARGEST = 2**24  # bytes of a seal; a line has about a hundred
LARGE = 2**20  # bytes, from which on a file's digest is remembered between processes
CHECKPOINT = re.compile(r"checkpoints/[^/]+\.ckpt")
NAME = re.compile(r"seed-?\d+-([0-9a-f]{10})(-\d+)?")  # of a run's folder


class Altered(InputError):
    """A record is not what it was when its run was over."""


class Freed(InputError):
    """What is asked for was removed on purpose; the rest of the record is as it was."""


@dataclass(frozen=True)
class Sealed:
    """What a seal holds of a file; seals of earlier versions have no sizes."""

    sha256: str
    size: int | None = None


def write(folder: Path, coming: Mapping[str, bytes] = MappingProxyType({})) -> None:
    """Seal a run's folder.

    Args:
        folder: the run's.
        coming: contents of files that are about to be written, by their names.
    """
    held = {name: Sealed(sha256(folder / name), (folder / name).stat().st_size) for name in bound(folder)}
    held |= {name: Sealed(hashlib.sha256(content).hexdigest(), len(content)) for name, content in coming.items()}
    digests = [f"{each.sha256}  {name}\n" for name, each in sorted(held.items())]
    sizes = [f"# {each.size} bytes: {name}\n" for name, each in sorted(held.items())]
    write_text(folder / FILE, "".join([*digests, *sizes]))


def bound(folder: Path) -> Iterator[str]:
    """The names of the files that are there and that a seal binds."""
    for pattern in BOUND:
        for file in sorted(folder.glob(pattern)):
            if not file.name.startswith(".") and file.is_file():
                yield file.relative_to(folder).as_posix()


def read(folder: Path) -> dict[str, Sealed] | None:
    """What a seal holds, by the files' names; None where there is none.

    Raises:
        Altered: it cannot be read.
    """
    file = folder / FILE
    try:
        seen = file.lstat()
        return listed(file, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, InputError) as problem:
        raise Altered(f"{folder}: {FILE} cannot be read: {problem}") from problem


@lru_cache(maxsize=10_000)
def listed(file: Path, *_: int) -> dict[str, Sealed]:
    """What a seal holds, by the files' names; the numbers say which content is meant.

    Raises:
        InputError: it is no file, or too large.
        ValueError: it holds something else.
    """
    lines = read_whole(file, LARGEST).decode().splitlines()
    digests = [LINE.fullmatch(line) for line in lines if not line.startswith("#")]
    if not digests or None in digests:
        raise ValueError("it is no list of digests")
    sizes = {size[2]: int(size[1]) for line in lines if line.startswith("#") and (size := SIZE.fullmatch(line))}
    return {line[2]: Sealed(line[1], sizes.get(line[2])) for line in digests if line}


def check(folder: Path, *names: str) -> None:
    """Check files that are read against the folder's seal, if it has one.

    Raises:
        Freed: they were removed on purpose.
        Altered: they are not what they were, or were not there.
    """
    held = read(folder)
    if any(map(CHECKPOINT.fullmatch, names)):
        removed = freed(folder)
        if gone := [name for name in names if name in removed]:
            raise Freed(
                f"{folder}: {' and '.join(gone)} freed on {removed[gone[0]][:10]} (encore runs --keep-best); "
                "fresh=true trains the run again, beside it"
            )
    if held is not None and (wrong := differing(folder, held, names)):
        raise Altered(f"{folder}: {', '.join(wrong)} since the run was over ({FILE})")


def check_all(folder: Path) -> None:
    """The same for every file that the seal lists, or that is there and would be listed."""
    held = read(folder)
    if held is not None:
        removed = freed(folder)
        check(
            folder,
            *(name for name in held if name not in removed),
            *(name for name in bound(folder) if name not in held),
        )


def freed(folder: Path) -> dict[str, str]:
    """Files that were removed on purpose, with the time; those that are there again do not count."""
    try:
        known = read_json(folder / FREED)
    except InputError:
        return {}
    entries = known.items() if isinstance(known, dict) else ()
    return {name: str(when) for name, when in entries if CHECKPOINT.fullmatch(name) and not (folder / name).exists()}


def differing(folder: Path, held: dict[str, Sealed], names: Iterable[str]) -> list[str]:
    """What is wrong with files, in words."""
    wrong = []
    for name in names:
        file = folder / name
        try:
            facts = file.lstat()
            if name not in held:
                wrong.append(f"{name} was added")
            elif not S_ISREG(facts.st_mode):
                wrong.append(f"{name} was replaced")
            elif not is_as_sealed(file, facts.st_size, held[name]):
                wrong.append(f"{name} was changed")
        except (FileNotFoundError, NotADirectoryError):
            if name in held:
                wrong.append(f"{name} is missing")
        except OSError as problem:
            wrong.append(f"{name} cannot be read any more ({problem.strerror})")
    return wrong


def is_as_sealed(file: Path, size: int, held: Sealed) -> bool:
    """Whether a file has its content still; one of another size is not read."""
    if held.size is not None and size != held.size:
        return False
    return (contents.digest_of if size >= LARGE else sha256)(file) == held.sha256


def check_result(folder: Path, held: dict[str, Any]) -> None:
    """Check what a result.json says against the rest of its folder.

    Raises:
        Altered: it is not what the run left.
    """
    status, mark = held.get("status"), str(held.get("fingerprint"))
    if status not in OVER:
        if held.get("metrics") or held.get("weights_sha256"):
            raise Altered(f"{folder}: result.json was changed: a run that is {status} has no metrics yet")
        return
    if read(folder) is not None:
        check(folder, *ALWAYS)
    elif is_to_be_sealed(folder):
        raise Altered(f"{folder}: {FILE} is missing, which every run has that is {status}: it was altered")
    if (name := NAME.fullmatch(folder.name)) and not mark.startswith(name[1]):
        raise Altered(f"{folder} holds a different run than its name says: {held.get('name')}, {mark[:10]}")


def is_to_be_sealed(folder: Path) -> bool:
    """Whether a run's manifest says that it is sealed once it is over; that of an earlier version does not."""
    try:
        held = read_json(folder / "manifest.json")
    except InputError:
        return False
    return isinstance(held, dict) and "seal" in held


def unsealed(folders: Iterable[Path]) -> str | None:
    """What there is to say of runs that were recorded before runs were sealed, in a line; None without any."""
    found = [folder for folder in folders if not (folder / FILE).is_file()]
    if not found:
        return None
    which = str(found[0]) if len(found) == 1 else f"{len(found)} runs, such as {found[0]},"
    return f"unsealed: {which} recorded by an earlier version, so that changes to them would not be noticed"
