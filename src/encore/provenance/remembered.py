"""What was read from files before, kept until they change: by path, size, times and inode.

The store is in the user's cache folder (`ENCORE_CACHE_DIR`, else `~/.cache/encore`). If that is damaged or cannot be
written, everything is read again.
"""

import atexit
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from encore.files import sha256

FILE = "read.sqlite"
# Nanoseconds: a file that changed this recently could change again within the same clock tick.
SETTLED = 2_000_000_000
MOST = 4_000_000  # entries written; beyond this the store is reset
TOGETHER, SECONDS = 1000, 1.0  # entries that are written together, and how long they may wait
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Store:
    """A table of what was read. What cannot be written, or was lost, is read again; a damaged table is begun anew."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / FILE
        self.pending: dict[tuple[str, str], tuple[str, str]] = {}
        self.flushed = time.monotonic()
        with self.mended():
            self.connect()

    def connect(self) -> None:
        self.base = sqlite3.connect(self.file, timeout=1.0, isolation_level=None, check_same_thread=False)
        self.base.execute("PRAGMA synchronous=OFF")  # what is lost is read again
        self.base.execute(
            "CREATE TABLE IF NOT EXISTS read (path TEXT, what TEXT, seen TEXT, value TEXT, PRIMARY KEY (path, what))"
        )
        if (self.base.execute("SELECT MAX(rowid) FROM read").fetchone()[0] or 0) > MOST:
            self.base.execute("DELETE FROM read")

    @contextmanager
    def mended(self) -> Iterator[None]:
        """Begin a table anew that is found to be damaged; raise what else is wrong."""
        try:
            yield
        except sqlite3.DatabaseError as problem:
            if getattr(problem, "sqlite_errorcode", None) not in DAMAGED:
                raise
            self.base.close()
            clear(self.file.parent)
            self.connect()

    def get(self, path: str, what: str, seen: str) -> str | None:
        """The value kept for a file in this state."""
        row = self.pending.get((path, what))
        if row is None:
            found = self.base.execute("SELECT seen, value FROM read WHERE path = ? AND what = ?", (path, what))
            row = found.fetchone()
        return row[1] if row is not None and row[0] == seen else None

    def put(self, path: str, what: str, seen: str, value: str) -> None:
        self.pending[path, what] = seen, value
        if len(self.pending) >= TOGETHER or time.monotonic() - self.flushed > SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in one transaction: each alone takes ten times as long."""
        rows = [(*key, *held) for key, held in self.pending.items()]
        self.pending, self.flushed = {}, time.monotonic()
        with self.base:
            self.base.execute("BEGIN IMMEDIATE")
            self.base.executemany("INSERT OR REPLACE INTO read VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.flush()
        self.base.close()


def clear(place: Path) -> bool:
    """Forget everything that is kept in a folder; whether there was anything."""
    there = (place / FILE).exists()
    for name in (FILE, f"{FILE}-journal"):
        (place / name).unlink(missing_ok=True)
    return there


def value(place: Path, what: str, version: int, read: Callable[[], str]) -> str:
    """What `read` returns for a file or folder, remembered until that changes.

    Args:
        place: the file or folder; of a folder, which names it holds.
        what: what is read of it.
        version: of how it is read.
        read: reads it.

    Raises:
        OSError: there is no such file.
    """
    facts = place.stat()
    path = os.path.abspath(place)  # noqa: PTH100 (a tenth of the time that Path.absolute takes)
    return kept(path, what, f"{version} {facts_of(facts)}", max(facts.st_mtime_ns, facts.st_ctime_ns), read)


def digest_of(file: Path) -> str:
    """SHA-256 of a file, remembered until the file changes."""
    return value(file, "sha256", 1, lambda: sha256(file))


def facts_of(facts: os.stat_result) -> str:
    """What is the same while a file is."""
    return f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns} {facts.st_ino} {facts.st_dev}"


def kept(path: str, what: str, seen: str, changed: int, read: Callable[[], str]) -> str:
    """What `read` gives, remembered under a path while what was seen of it is the same.

    Args:
        path: absolute; names that are no UTF-8 are kept with escapes.
        what: what is read of it.
        seen: which content is meant.
        changed: when it last changed, in nanoseconds.
        read: reads it.
    """
    path = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    held = store(folder())
    if held is not None:
        with suppress(sqlite3.Error), held.mended():
            if (known := held.get(path, what, seen)) is not None:
                return known
    now = time.time_ns()
    found = read()
    if held is not None and now - changed > SETTLED:
        with suppress(sqlite3.Error), held.mended():
            held.put(path, what, seen, found)
    return found


def by_content(what: str, digest: str, read: Callable[[], str]) -> str:
    """What `read` gives for a content of this digest, wherever it lies."""
    return kept(digest, what, digest, 0, read)


def folder() -> Path:
    """The user's cache folder."""
    return folder_of(os.environ.get("ENCORE_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME"))


@cache
def folder_of(given: str | None, of_all: str | None) -> Path:
    return Path(given) if given else Path(of_all or Path("~/.cache").expanduser()) / "encore"


@cache
def store(place: Path) -> Store | None:
    """The store in a folder; None if none can be created there."""
    try:
        made = Store(place)
    except (OSError, sqlite3.Error):
        return None
    atexit.register(made.close)
    return made


def forget_after_fork() -> None:
    """Two processes cannot share a connection."""
    store.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_after_fork)
