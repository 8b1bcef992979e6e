"""Which files a dataset is read from, and what is in them; found without importing torch."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from encore.errors import InputError
from encore.record.files import sha256

# Settings of a data recipe that name a file or a folder, wherever they stand in it.
NAMES = ("path", "root", "file", "folder")


def files(data: dict, data_dir: str | Path) -> dict[str, Path]:
    """The files of a dataset that are there, by names that do not say where the data lie.

    They are those that `sha256` lists, and those that settings called path, root, file or folder name.
    """
    listed = {name: Path(data_dir) / name for name in data.get("sha256") or {}}
    named = {name: path for setting, place in places(data) for name, path in within(setting, Path(place))}
    return {name: path for name, path in {**listed, **named}.items() if path.is_file()}


def places(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every setting that names a file or folder that is there, by its dotted path."""
    for key, value in node.items() if isinstance(node, dict) else ():
        if key in NAMES and isinstance(value, str) and Path(value).exists():
            yield f"{prefix}{key}", value
        yield from places(value, f"{prefix}{key}.")


def within(setting: str, place: Path) -> Iterator[tuple[str, Path]]:
    """A file, or all files of a folder in the order of their names."""
    if place.is_file():
        yield setting, place
    for path in sorted(place.rglob("*")) if place.is_dir() else ():
        if path.is_file():
            yield f"{setting}/{path.relative_to(place).as_posix()}", path


def content(place: Path) -> str:
    """The SHA-256 of a file, or of the names and contents of a folder's files."""
    digest = hashlib.sha256()
    for name, path in within("", place):
        digest.update(f"{name}\0{sha256(path)}\n".encode())
    return digest.hexdigest()


def by_content(data: dict) -> dict:
    """A data recipe with the contents of files and folders in place of their names."""

    def replaced(node: Any, key: str = "") -> Any:
        if isinstance(node, dict):
            return {name: replaced(value, name) for name, value in node.items()}
        named = key in NAMES and isinstance(node, str) and Path(node).exists()
        return {"content": content(Path(node))} if named else node

    return replaced(data)


def check_unchanged(recorded: dict[str, dict], cfg: dict) -> None:
    """Raise InputError if a file of the data is not what it was.

    Args:
        recorded: of each file its digest, as a manifest's `data.files`.
        cfg: the config that names the files here.
    """
    here = files(cfg["data"], cfg["data_dir"])
    for name, entry in recorded.items():
        if name not in here:
            raise InputError(f"{name} of data={cfg['data']['name']} is missing: data_dir is {cfg['data_dir']}")
        if (actual := sha256(here[name])) != entry["sha256"]:
            raise InputError(
                f"{here[name]} is not what it was: its SHA-256 is {actual}, recorded was {entry['sha256']}"
            )
