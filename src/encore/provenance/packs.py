"""The index of a packed dataset: its shards, with the digests that are its identity."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encore.errors import InputError
from encore.files import LARGEST_JSON, is_junk, read_whole
from encore.provenance import remembered
from encore.terminal import counted

INDEX = "encore-pack.json"
VERSION = 1  # of the format
SHA256 = re.compile("[0-9a-f]{64}")
NAME = re.compile(r"[\w-]+\.arrow")
STORED = ("files", "uint8", "float32")


@dataclass(frozen=True)
class Part:
    """A file of a packed dataset."""

    name: str
    bytes: int
    sha256: str
    examples: int


@dataclass(frozen=True)
class Index:
    """What a packed dataset consists of.

    Attributes:
        digest: SHA-256 of the index, which has those of all other files: the dataset's identity.
        stored: `files`, pictures as they were in their files; or the type of arrays of one shape.
        shape: of the arrays; None where files are stored.
        target_shape: of an example's target.
        classes: their names, where they have any.
        targets: the file with all targets.
        shards: the files with the inputs, in the order of the examples.
    """

    digest: str
    stored: str
    shape: tuple[int, ...] | None
    target_shape: tuple[int, ...]
    classes: tuple[str, ...] | None
    targets: Part
    shards: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.targets, *self.shards)


def read(content: bytes, where: str) -> Index:
    """Read an index.

    Raises:
        InputError: it is not one, or of a later version.
    """
    try:
        held = json.loads(content)
        if held["version"] != VERSION:
            raise InputError(f"{where} is of version {held['version']}, and this Encore reads version {VERSION}")
        found = Index(
            digest=hashlib.sha256(content).hexdigest(),
            stored=held["stored"],
            shape=None if held["shape"] is None else tuple(map(int, held["shape"])),
            target_shape=tuple(map(int, held["target_shape"])),
            classes=None if held["classes"] is None else tuple(map(str, held["classes"])),
            targets=part(held["targets"]),
            shards=tuple(map(part, held["shards"])),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise InputError(f"{where} is no index of a packed dataset: {type(problem).__name__}: {problem}") from problem
    if found.stored not in STORED or (found.stored == "files") != (found.shape is None) or not found.shards:
        raise InputError(f"{where} is no index of a packed dataset: stored is {found.stored!r}")
    return found


def part(held: dict[str, Any]) -> Part:
    """One file's entry; its name never leads out of the folder."""
    one = Part(str(held["name"]), int(held["bytes"]), str(held["sha256"]), int(held["examples"]))
    if not NAME.fullmatch(one.name) or not SHA256.fullmatch(one.sha256):
        raise ValueError(f"{one.name!r} is no name of a shard, or has no digest")
    return one


def is_pack(folder: Path) -> bool:
    """Whether a folder holds a packed dataset and nothing else."""
    if not (folder / INDEX).is_file():
        return False
    names = {entry.name for entry in folder.iterdir() if not is_junk(entry.name)}
    return names <= {INDEX, *(one.name for one in index_of(folder).parts)}


def index_of(folder: Path) -> Index:
    """Read a folder's index; see `read`."""
    return read(read_whole(folder / INDEX, LARGEST_JSON), str(folder / INDEX))


def verified(folder: Path) -> Index:
    """A folder's index, with every file checked against it; each is read once, until it changes.

    Raises:
        InputError: a file is missing, truncated or altered.
    """
    index = index_of(folder)
    for one in index.parts:
        check_size(folder / one.name, one)
    for one in counted(index.parts, len(index.parts), "checking shards"):
        check_content(folder / one.name, one)
    return index


def check_size(file: Path, one: Part) -> None:
    """Raise InputError if a file is missing, or is not as long as it should be."""
    try:
        size = file.stat().st_size
    except OSError as problem:
        raise InputError(f"{file} of a packed dataset is missing: {problem.strerror}\n{REMEDY}") from problem
    if size != one.bytes:
        raise InputError(f"{file} is truncated or altered: it has {size:,} bytes, not {one.bytes:,}\n{REMEDY}")


def check_content(file: Path, one: Part) -> None:
    """Raise InputError if a file's content is not what was packed."""
    if (actual := remembered.digest_of(file)) != one.sha256:
        raise InputError(f"{file} is truncated or altered: its SHA-256 is {actual}, not {one.sha256}\n{REMEDY}")


REMEDY = "bring back the file that was packed, or pack the dataset again"


def stated(recipe: Mapping[Any, Any]) -> str | None:
    """The digest that is a run's identity in place of a recipe's `path`; None if that is no packed dataset.

    Raises:
        InputError: the dataset is on this disk, and a file is missing, truncated or altered.
    """
    path, digest = recipe.get("path"), recipe.get("digest")
    if "digest" not in recipe or not isinstance(path, str):
        return None
    if is_elsewhere(path):
        return digest if isinstance(digest, str) and SHA256.fullmatch(digest) else None
    return verified(Path(path)).digest if is_pack(Path(path)) else None


def is_elsewhere(path: str) -> bool:
    """Whether a path is an address, such as s3://bucket/pets or https://…"""
    return "://" in path
