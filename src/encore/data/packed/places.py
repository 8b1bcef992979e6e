"""Where a packed dataset lies: in a folder of this disk, or elsewhere, fetched shard by shard."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from encore.data.offline import refused
from encore.errors import ConfigError, InputError, NotHere
from encore.locks import locked
from encore.provenance import packs, remembered
from encore.provenance.packs import INDEX, Index, Part
from encore.terminal import draws_bars


class Place(Protocol):
    """A packed dataset's files."""

    index: Index

    def file(self, part: Part) -> Path:
        """A file on this disk, whose content is what was packed."""
        ...


class Here:
    """A folder, all of whose files are checked now.

    Raises:
        InputError: it is not there, or a file is missing, truncated, altered, or has another digest.
    """

    def __init__(self, folder: Path, digest: str | None) -> None:
        if not folder.is_dir():
            raise NotHere(f"there is no folder {folder}; encore pack writes one")
        if not (folder / INDEX).is_file():
            raise InputError(f"{folder} holds no packed dataset, which has a file {INDEX}: encore pack writes one")
        self.folder, self.index = folder, packs.verified(folder)
        check_digest(self.index, digest, str(folder))

    def file(self, part: Part) -> Path:
        return self.folder / part.name


class Elsewhere:
    """An address that fsspec reads; files are fetched when they are first needed, and kept in the cache folder.

    Raises:
        ConfigError: the digest is missing, or a package that reads such addresses.
        InputError: there is nothing, or another dataset.
    """

    def __init__(self, address: str, digest: str | None) -> None:
        if digest is None:
            raise ConfigError(
                f"data.path={address} is not on this disk: data.digest=… says which dataset it is (encore pack told it)"
            )
        if not packs.SHA256.fullmatch(digest):
            raise ConfigError(f"data.digest={digest} is no SHA-256, which has 64 digits from 0 to f")
        self.address, self.folder = address.rstrip("/"), remembered.folder() / "packs" / digest
        self.index = packs.read(self.content(digest), f"{self.address}/{INDEX}")

    def content(self, digest: str) -> bytes:
        """The index's."""
        kept = self.folder / INDEX

        def good(file: Path) -> bool:
            return file.is_file() and remembered.digest_of(file) == digest

        self.fetch(INDEX, kept, good, f"it has another digest than data.digest={digest}")
        return kept.read_bytes()

    def file(self, part: Part) -> Path:
        kept = self.folder / part.name

        def good(file: Path) -> bool:
            return file.is_file() and file.stat().st_size == part.bytes and remembered.digest_of(file) == part.sha256

        self.fetch(part.name, kept, good, f"its SHA-256 is not {part.sha256}")
        return kept

    def fetch(self, name: str, kept: Path, good: Callable[[Path], bool], otherwise: str) -> None:
        """Fetch a file, unless it is here; of several processes one does, and the others wait."""
        if good(kept):
            return
        if (remedy := refused.get()) is not None:
            raise NotHere(f"{self.address}/{name} is not in the cache folder: {remedy.format(name='it')}")
        with locked(kept.with_name(f".{name}.lock"), None):
            if good(kept):
                return
            beside = kept.with_name(f".{name}.{os.getpid()}")
            try:
                download(f"{self.address}/{name}", beside)
                if not good(beside):
                    raise InputError(f"{self.address}/{name} is truncated or altered: {otherwise}\n{packs.REMEDY}")
                beside.replace(kept)
            finally:
                beside.unlink(missing_ok=True)


def download(address: str, file: Path) -> None:
    """Fetch a file.

    Raises:
        ConfigError: a package is missing.
        InputError: it cannot be fetched.
    """
    import fsspec
    from fsspec.callbacks import NoOpCallback, TqdmCallback

    drawn = multiprocessing.parent_process() is None and draws_bars()
    shown: Any = NoOpCallback()
    if drawn:
        shown = TqdmCallback(
            {
                "desc": f"fetching {address.rpartition('/')[2]}",
                "unit": "B",
                "unit_scale": True,
                "delay": 2,
                "leave": False,
            }
        )
    try:
        files, path = fsspec.core.url_to_fs(address)
        files.get_file(path, str(file), callback=shown)
    except (ImportError, ValueError) as problem:  # ValueError: an unknown protocol
        raise ConfigError(f"data.path: {address} cannot be read: {problem}") from problem
    except Exception as problem:  # each kind of storage has errors of its own
        raise NotHere(f"{address} cannot be fetched: {type(problem).__name__}: {problem}") from problem


def check_digest(index: Index, digest: str | None, where: str) -> None:
    """Raise InputError if a dataset is another than the config says."""
    if digest is not None and index.digest != digest:
        raise InputError(f"{where} holds another dataset: its digest is {index.digest}, not data.digest={digest}")


def place_of(path: str, digest: str | None) -> Place:
    """The place that a path or an address names."""
    return Elsewhere(path, digest) if packs.is_elsewhere(path) else Here(Path(path), digest)
