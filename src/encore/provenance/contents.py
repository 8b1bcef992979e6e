"""The files and folders that a config names, and their contents; found without importing torch."""

import hashlib
import os
import stat
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

from encore.config.facts import look_up
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


def content(place: Path) -> str:
    """The SHA-256 of a file, or of the names and contents of a folder's files."""
    if not place.is_dir():
        return tree_digest(within("", place))
    found = [(name, path, path.stat()) for name, path in within("", place)]
    seen = hashlib.sha256()
    for name, _, facts in found:
        seen.update(f"{name}\0{remembered.facts_of(facts)}\n".encode(errors="surrogateescape"))
    newest = max((max(facts.st_mtime_ns, facts.st_ctime_ns) for *_, facts in found), default=0)
    paths = ((name, path) for name, path, _ in found)
    return remembered.kept(
        str(place.absolute()), "tree", f"{TREE} {seen.hexdigest()}", newest, lambda: tree_digest(paths, len(found))
    )


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
        yield from ((f"{setting}/{path.relative_to(place).as_posix()}", path) for path in sorted(walk(place)))


def walk(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """All files below a folder, without what file managers leave there; a link to a folder above it is not followed.

    Two links to one folder are two folders: a subset of the classes is often made so.
    """
    real = folder.resolve()
    if real in above:
        return
    with os.scandir(folder) as opened:
        entries = [entry for entry in opened if not is_junk(entry.name)]
    for entry in entries:
        if entry.is_dir():
            yield from walk(Path(entry.path), (*above, real))
        elif entry.is_file():
            yield Path(entry.path)


def files(cfg: dict) -> dict[str, Path]:
    """The existing files that a config names, by names that do not depend on where they are stored.

    These are the files below `data_dir` that `data.sha256` lists, and those that settings name: data settings by their
    path within `data`, others by their path in the config.
    """
    listed = {name: Path(cfg["data_dir"]) / name for name in cfg["data"].get("sha256") or {}}
    of_data = {name: path for setting, place in places(cfg["data"]) for name, path in within(setting, place)}
    rest = {name: path for setting, place in places(others(cfg)) for name, path in within(setting, place)}
    return {name: path for name, path in {**listed, **rest, **of_data}.items() if path.is_file()}


def places(node: Any, path: str = "") -> Iterator[tuple[str, Path]]:
    """Every setting that names an existing file or folder, by its dotted path."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        setting = f"{path}.{key}" if path else str(key)
        named = path.rpartition(".")[2] if isinstance(node, list) else str(key)
        if (place := place_of(named, value)) is not None:
            yield setting, place
        yield from places(value, setting)


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


def check_reads(recorded: Container[str], cfg: dict) -> None:
    """Check that a recorded config names no files but those that its run read: by name a stranger's could mean any.

    Raises:
        InputError: it does.
    """
    for prefix, part in (("data.", cfg["data"]), ("", others(cfg))):
        for setting, place in places(part):
            named = f"{prefix}{setting}={place}"
            if place.is_file() and setting not in recorded and is_path(setting, str(place)):
                raise InputError(f"{named}: the run did not read this file, so it is not read now")
            if place.is_dir() and is_path(setting, str(place)):
                for file in walk(place):  # the first one that is strange ends it: there may be a whole disk
                    if f"{setting}/{file.relative_to(place).as_posix()}" not in recorded:
                        raise InputError(f"{named}: the run did not read {file}, so it is not read now")


def is_path(setting: str, value: str) -> bool:
    """Whether a value is meant as a path; a word alone may have a file of its name beside it by chance."""
    return bool(set("/\\") & set(value)) or setting.rpartition(".")[2] in NAMES


def others(cfg: dict) -> dict:
    """The part of a config, besides the data, whose settings can name files that are read."""
    return {key: value for key, value in cfg.items() if key not in ("data", *NOT_READ, "logger", "claims")}


def check_unchanged(recorded: dict[str, dict], cfg: dict, again: bool = False) -> None:
    """Raise InputError if a file that a run read is not what it was, or its config names one that it did not read.

    Args:
        recorded: of each file its digest, as a manifest's `data.files`.
        cfg: the config that names the files here; it may be a stranger's.
        again: whether the run is to be run again, which takes the checkpoint that it continued.
    """
    if not again:
        cfg = {**cfg, "continue_from": None}
        recorded = {name: entry for name, entry in recorded.items() if not name.startswith("continue_from/")}
    check_reads(recorded, cfg)
    here = files(cfg)
    for name, entry in recorded.items():
        if name not in here:
            if (setting := name.partition("/")[0]) in ("init_from", "continue_from"):
                raise InputError(f"{setting}={cfg.get(setting)} is missing, from which the run began")
            if isinstance(named := look_up(cfg, name), str):  # a setting besides the data's
                raise InputError(f"{name}={named} is missing, which the run read: put it back there")
            raise InputError(f"{name} of data={cfg['data']['name']} is missing: data_dir is {cfg['data_dir']}")
        if (actual := digest_of(here[name])) != entry["sha256"]:
            raise InputError(f"{here[name]} has changed: its SHA-256 is {actual}, recorded was {entry['sha256']}")
