"""Who holds a run's folder: one process at a time, as long as it lives."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from encore.errors import Busy, CannotWrite
from encore.files import FULL, NoRoom, NotWritten, open_own
from encore.locks import HELD

try:
    import fcntl
except ImportError:  # Windows: no lock against two processes in one folder
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


class Gone(NotWritten):
    """A folder is not where it was."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder, created if need be; the kernel releases it when this process ends, even if it is killed.

    Raises:
        CannotWrite: it cannot be made, or is full.
        Busy: another process holds it.
        InputError: its lock is something else than a file, such as a link that leads elsewhere.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = open(folder / LOCK, "ab+", opener=open_own)  # noqa: SIM115 (Path.open has no opener)
            stack.callback(close, lock)
            take(lock, folder)
        except OSError as problem:
            raise CannotWrite(f"{folder} cannot be written: {problem}\n{remedy(problem, folder)}") from problem
        HELD[lock.fileno()] = folder
        yield


def is_held(folder: Path) -> bool | None:
    """Whether a process holds a folder; None if that cannot be known here."""
    if fcntl is None:
        return None
    try:
        with (folder / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError) as problem:
        return isinstance(problem, BlockingIOError)
    except OSError:
        return None
    return False


def check_held(folder: Path) -> None:
    """Raise Gone if a folder that this process holds is no longer where it was, or another one is there."""
    if not all(map(in_place, (number for number, place in HELD.items() if place == folder))):
        raise Gone(errno.ENOENT, "the folder was moved, deleted or replaced while it was in use", str(folder))


def in_place(number: int) -> bool:
    """Whether the lock by which a folder is held still lies in it."""
    try:
        return os.path.samestat((HELD[number] / LOCK).stat(), os.fstat(number))
    except OSError:
        return False


@contextmanager
def waiting_for(folder: Path, seconds: float = 0.05) -> Iterator[None]:
    """Hold a folder as soon as its holder releases it; tries again every `seconds`."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held(folder))
                break
            except Busy:
                time.sleep(seconds)
        yield


def take(lock: IO[bytes], folder: Path) -> None:
    """Lock a file and write this process's number into it."""
    if fcntl is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        lock.seek(0)
        holder = lock.read(20).strip()  # whatever else may have come into the file
        named = holder.decode() if holder.isdigit() else "unknown"
        raise Busy(f"{folder} is being run by process {named}") from problem
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())
    lock.flush()


def close(lock: IO[bytes]) -> None:
    """Release a lock; on a full disk its holder's number is lost, which has been reported already."""
    HELD.pop(lock.fileno(), None)
    with suppress(OSError):
        lock.close()


def remedy(problem: OSError, folder: Path) -> str:
    """What to do if a folder cannot be written."""
    if isinstance(problem, Gone):
        return "where it is put back, the same command goes on; otherwise it begins at the first step"
    if problem.errno not in FULL:
        return "runs_dir=… puts runs elsewhere"
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = "" if isinstance(problem, NoRoom) else f" than the {shutil.disk_usage(there).free:,} bytes that are free"
    return f"with more room{free} the same command continues the run"
