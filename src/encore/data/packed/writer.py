"""Packing: any examples into shards of Arrow, and an index with their digests."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch.utils.data import Dataset

from encore.data.packed import arrow
from encore.data.pixels import decodes, shown
from encore.data.sources import ArraySource, MapSource
from encore.data.workers import read_by_workers
from encore.errors import ConfigError, InputError
from encore.files import json_of, make_durable, make_folder, replace, writing
from encore.locks import locked
from encore.provenance.packs import INDEX, VERSION
from encore.terminal import counted

SHARD = 2**26  # bytes of examples in a shard
TOGETHER = 256  # examples that a worker reads at a time
LARGEST = 2**30  # bytes of an example


class Contents(Dataset[list[bytes] | InputError]):
    """A source whose item is the bytes of several examples."""

    def __init__(self, source: ArraySource | MapSource, as_files: bool) -> None:
        self.source, self.paths = source, cast(Any, source).dataset.paths if as_files else None

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, indices: list[int]) -> list[bytes] | InputError:
        try:
            if self.paths is not None:
                return [content(Path(self.paths[index])) for index in indices]
            return [row.tobytes() for row in self.source.read(indices).numpy()]
        except InputError as problem:  # raised in a worker, it would come with a traceback in its words
            return problem


def content(path: Path) -> bytes:
    """A picture's file, which can be decoded.

    Raises:
        InputError: it cannot, or is very large.
    """
    decodes(path)
    held = path.read_bytes()
    if len(held) > LARGEST:
        raise InputError(f"{shown(path)} has {len(held):,} bytes, more than the {LARGEST:,} of an example")
    return held


def pack(source: Any, out: Path, as_files: bool, shard_bytes: int = SHARD, workers: int = 2) -> str:
    """Write a dataset into a folder of its own; that is there whole, or not at all.

    Memory: a few shards, and what the workers have read ahead.

    Args:
        source: the examples.
        out: the folder, which must not exist.
        as_files: keep pictures as they are in their files; otherwise as arrays of the source's shape.
        shard_bytes: of examples in a shard, about.
        workers: processes that read and decode.

    Returns:
        The digest of the index.

    Raises:
        ConfigError: pyarrow is missing, or the source has more than one array of inputs.
        InputError: the folder exists, or an example cannot be read.
        Busy: another process is packing into it.
        NotWritten: it cannot be written; nothing is left behind.
    """
    arrow.pyarrow()
    if not isinstance(source, ArraySource | MapSource):
        raise ConfigError(
            "data.inputs and data.targets name more than one array of inputs and one of targets, which cannot be "
            "packed: name one of each, or train without packing (data.resident=false reads examples as they are needed)"
        )
    scratch = out.with_name(f".{out.name}.packing")
    with locked(out.with_name(f".{out.name}.lock"), None, f"another process is packing into {out}"):
        if out.exists():
            raise InputError(f"{out} exists already: remove it, or name another folder with --out")
        shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
        make_folder(scratch)
        try:
            digest = write(Contents(source, as_files), scratch, shard_bytes, workers)
            with writing(out):
                scratch.rename(out)
            make_durable(out.absolute().parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return digest


def write(contents: Contents, folder: Path, shard_bytes: int, workers: int) -> str:
    """Write shards, targets and the index; return its digest."""
    source = contents.source
    first = source.read([0]) if contents.paths is None else None
    width = -1 if first is None else first[0].numel() * first.element_size()
    shards, waiting, size = list[dict[str, Any]](), list[bytes](), 0
    for each in counted(examples(contents, workers), len(contents), "packing"):
        if waiting and size + len(each) > shard_bytes:
            shards.append(written(folder, f"shard-{len(shards):06}.arrow", "input", waiting, width))
            waiting, size = [], 0
        waiting.append(each)
        size += len(each)
    shards.append(written(folder, f"shard-{len(shards):06}.arrow", "input", waiting, width))
    targets = source.targets.numpy()
    held = {
        "version": VERSION,
        "stored": "files" if first is None else str(first.numpy().dtype),
        "shape": None if first is None else list(first.shape[1:]),
        "target_shape": list(targets.shape[1:]),
        "classes": None if source.classes is None else list(source.classes),
        "targets": written(folder, "targets.arrow", "target", targets.reshape(-1)),
        "shards": shards,
    }
    whole = json_of(held).encode()
    replace(folder / INDEX, whole)
    return hashlib.sha256(whole).hexdigest()


def examples(contents: Contents, workers: int) -> Iterator[bytes]:
    """The bytes of every example, in order."""
    every = torch.arange(len(contents))
    lengths = [len(chunk) for chunk in every.split(TOGETHER)]
    for some in read_by_workers(contents, every, lengths, workers, pin_memory=False):
        yield from some


def written(folder: Path, name: str, column: str, values: Any, width: int = -1) -> dict[str, Any]:
    """Write one file of Arrow; its entry in the index."""
    file = folder / name
    with writing(file), file.open("wb") as stream:
        hashing = Hashing(stream)
        arrow.write(hashing, column, values, width)
        stream.flush()
        os.fsync(stream.fileno())
        size = stream.tell()
    return {"name": name, "bytes": size, "sha256": hashing.digest.hexdigest(), "examples": len(values)}


class Hashing:
    """A file that is written, and the digest of what was."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.digest = stream, hashlib.sha256()

    def write(self, content: Any) -> int:
        self.digest.update(content)
        return self.stream.write(content)

    def tell(self) -> int:
        return self.stream.tell()

    def flush(self) -> None:
        self.stream.flush()
