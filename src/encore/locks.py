"""Locks between processes, by files that are removed when they are released."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from encore.errors import Busy
from encore.files import make_folder, writing

try:
    import fcntl
except ImportError:  # Windows: no lock between two processes
    fcntl = None  # type: ignore[assignment]

# What this process holds, a file or a run's folder, by the numbers of the files by which it does.
HELD: dict[int, Path] = {}


@contextmanager
def locked(file: Path, waiting: str | None, busy: str | None = None) -> Iterator[None]:
    """Hold a lock, alone among processes; its file is removed at the end.

    Args:
        file: of the lock.
        waiting: what to say, once, where another process holds it, before it is waited for; None: nothing.
        busy: what to say instead of waiting.

    Raises:
        Busy: another process holds it, and `busy` is given.
    """
    make_folder(file.parent)
    with ExitStack() as stack:
        while True:
            with writing(file):
                lock = stack.enter_context(file.open("ab"))
            if take(lock, file, waiting, busy):
                break
        HELD[lock.fileno()] = file
        stack.callback(HELD.pop, lock.fileno(), None)
        stack.callback(remove, file)
        yield


def let_go() -> None:
    """Release what a fork inherited: a worker that outlives its process holds nothing of it."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for lock in HELD:
        os.dup2(nothing, lock)
    os.close(nothing)
    HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=let_go)


def take(lock: IO[bytes], file: Path, waiting: str | None, busy: str | None) -> bool:
    """Lock an opened file; False if its holder removed it meanwhile, so that the lock is not the others'."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        if busy is not None:
            raise Busy(busy) from problem
        if waiting is not None:
            print(waiting, file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        return os.path.samestat(file.stat(), os.fstat(lock.fileno()))
    except FileNotFoundError:
        return False


def remove(file: Path) -> None:
    """Remove a file, where the system allows it."""
    with suppress(OSError):
        file.unlink()
