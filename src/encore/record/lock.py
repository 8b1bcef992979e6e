"""Who holds a run's folder: one process at a time, for as long as it lives."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from encore.errors import Busy, CannotWrite
from encore.record.files import FULL, NoRoom

try:
    import fcntl
except ImportError:  # Windows: two processes on one folder are not kept apart there
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
# Numbers of the files by which this process holds folders.
HELD: set[int] = set()


def let_go() -> None:
    """Give up the locks that came along with a fork: a worker that outlives its run holds nothing."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for lock in HELD:
        os.dup2(nothing, lock)
    os.close(nothing)
    HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=let_go)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder, made if need be; the kernel lets go of it when this process ends, also when it is killed.

    Raises:
        CannotWrite: it cannot be made, or is full.
        Busy: another process holds it.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / LOCK).open("a+")
            stack.callback(close, lock)
            take(lock, folder)
        except OSError as problem:
            raise CannotWrite(f"{folder} cannot be written: {problem}\n{remedy(problem, folder)}") from problem
        HELD.add(lock.fileno())
        yield


@contextmanager
def waiting_for(folder: Path, seconds: float = 0.05) -> Iterator[None]:
    """Hold a folder as soon as whoever holds it lets go; looks every so many seconds."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held(folder))
                break
            except Busy:
                time.sleep(seconds)
        yield


def take(lock: IO[str], folder: Path) -> None:
    """Lock a file, and write down whose it is."""
    if fcntl is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        lock.seek(0)
        raise Busy(f"{folder} is being run by process {lock.read().strip() or 'unknown'}") from problem
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def close(lock: IO[str]) -> None:
    """Let go of a lock; on a full disk its holder's number is lost, and that is said already."""
    HELD.discard(lock.fileno())
    with suppress(OSError):
        lock.close()


def remedy(problem: OSError, folder: Path) -> str:
    """What helps where a folder cannot be written."""
    if problem.errno not in FULL:
        return "runs_dir=… puts runs elsewhere"
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = "" if isinstance(problem, NoRoom) else f" than the {shutil.disk_usage(there).free:,} bytes that are free"
    return f"with more room{free} the same command goes on"
