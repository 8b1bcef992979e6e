"""The files and folders that a config names, and their contents; found without importing torch."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encore.errors import InputError
from encore.files import is_junk
from encore.provenance import packs, remembered
from encore.provenance.remembered import digest_of
from encore.terminal import counted

# Settings that name a file or folder, whatever its name.
NAMES = ("path", "root", "file", "folder", "files", "init_from", "continue_from")
# Settings that never name one, or name one that is written to.
NOT_READ = (
    "name", "_target_", "code", "dirpath", "save_dir", "log_dir", "output_dir", "default_root_dir", "runs_dir",
    "data_dir",
)  # fmt: skip
LONGEST = 4096  # characters of a path
TREE = 1  # raised whenever a folder's digest is made of other parts
# Targets whose `path` is one file.
READ_ONE_FILE = (
    "encore.data.sources.Npz", "encore.data.readers.archive.archive", "encore.data.readers.tables.table",
)  # fmt: skip


def place_of(key: str, value: Any) -> Path | None:
    """The existing file or folder that a setting of this key and value names, if any."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST or key in NOT_READ:
        return None
    if key not in NAMES and not value.strip("./\\~ "):  # a separator, say
        return None
    try:
        place = Path(value).expanduser()
        return place if place.exists() else None
    except (OSError, ValueError, RuntimeError):  # not a path
        return None


def by_content(node: Any, key: str = "", known: dict[Path, str] | None = None) -> Any:
    """A config with the contents of files and folders in place of their names.

    A single word may also mean something else, so it is kept along with the content.

    Args:
        node: the config, or a part of it.
        key: of the part.
        known: contents that were found already: several settings may name one folder.
    """
    known = {} if known is None else known
    if isinstance(node, dict):
        if (digest := packs.stated(node)) is not None:  # the same dataset, wherever it lies
            rest = {name: value for name, value in node.items() if name not in ("path", "digest")}
            return by_content(rest, key, known) | {"path": {"content": digest, "ending": ""}}
        return {name: by_content(value, str(name), known) for name, value in node.items()}
    if isinstance(node, list):
        return [by_content(item, key, known) for item in node]
    place = place_of(key, node)
    if place is None:
        return node
    alone = key not in NAMES and not set("/\\.") & set(node)
    if place not in known:
        known[place] = content(place)
    return {"content": known[place], "ending": place.suffix, **({"text": node} if alone else {})}


@dataclass(frozen=True)
class Folder:
    """A folder's files, without what file managers leave there, and what they were when it was listed.

    Attributes:
        place: the folder.
        names: of its files within it.
        bytes: of all of them.
        seen: a digest of all names, sizes, times and inodes.
        changed: when the last one changed, in nanoseconds.
    """

    place: Path
    names: list[str]
    bytes: int
    seen: str
    changed: int

    @classmethod
    def of(cls, place: Path) -> "Folder":
        """List a folder."""
        names, size, changed, seen = list[str](), 0, 0, hashlib.sha256()
        for name, entry in walk(place):
            facts = entry.stat()
            names.append(name)
            size += facts.st_size
            changed = max(changed, facts.st_mtime_ns, facts.st_ctime_ns)
            seen.update(f"/{name}\0{remembered.facts_of(facts)}\n".encode(errors="surrogateescape"))
        return cls(place, names, size, seen.hexdigest(), changed)

    def digest(self) -> str:
        """The SHA-256 of the names and contents; what is remembered is not read again."""
        files = ((f"/{name}", self.place / name) for name in self.names)
        whole, seen = str(self.place.absolute()), f"{TREE} {self.seen}"
        return remembered.kept(whole, "tree", seen, self.changed, lambda: tree_digest(files, len(self.names)))


def content(place: Path) -> str:
    """The SHA-256 of a file, or of the names and contents of a folder's files."""
    return Folder.of(place).digest() if place.is_dir() else tree_digest(within("", place))


def tree_digest(files: Iterable[tuple[str, Path]], number: int = 1) -> str:
    """The SHA-256 of files' names and contents."""
    digest = hashlib.sha256()
    for name, path in counted(files, number, "reading files"):
        digest.update(f"{name}\0{digest_of(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def within(setting: str, place: Path) -> Iterator[tuple[str, Path]]:
    """A file, or all files of a folder sorted by name, following links."""
    if place.is_file():
        yield setting, place
    elif place.is_dir():
        yield from ((f"{setting}/{name}", place / name) for name, _ in walk(place))


def walk(folder: str | Path, below: str = "", above: tuple[str, ...] = ()) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """All files of a folder by their names within it, in the order of paths, without what file managers leave there.

    A link to a folder above it is not followed. Two links to one folder are two folders: a subset of the classes is
    often made so.
    """
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as opened:
        entries = sorted((entry for entry in opened if not is_junk(entry.name)), key=by_name)
    for entry in entries:
        if entry.is_dir():
            yield from walk(entry.path, f"{below}{entry.name}/", (*above, real))
        elif entry.is_file():
            yield f"{below}{entry.name}", entry


def by_name(entry: "os.DirEntry[str]") -> str:
    return os.path.normcase(entry.name)


def check_readable(node: Any) -> None:
    """Raise InputError if a setting names a pipe or device, which may never end, or a folder in place of a file.

    Said before anything is read: a folder could be large.
    """
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    one_file = isinstance(node, dict) and node.get("_target_") in READ_ONE_FILE
    for key, value in items:
        if key == "weights" and isinstance(value, dict) and value.keys() == {"path"}:  # of the bootstrap
            check_place("data.weights.path", value["path"], one_file=True)
        elif key in NAMES:
            check_place(str(key), value, one_file=one_file and key == "path")
        check_readable(value)


def check_place(key: str, value: Any, one_file: bool) -> None:
    """Raise InputError if what a setting names is there and cannot be read to its end."""
    place = place_of(key.rpartition(".")[2], value)
    if place is None:
        return
    if one_file and place.is_dir():
        raise InputError(f"{key}={value} is a folder: it must name a file")
    if not (place.is_file() or place.is_dir()):
        kind = "a named pipe" if stat.S_ISFIFO(place.stat().st_mode) else "no regular file"
        raise InputError(f"{key}={value} is {kind}, which may never end: name a file")
