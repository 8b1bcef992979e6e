"""Shards as files of Apache Arrow: one record batch of one column, written and read by pyarrow."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from encore.errors import ConfigError, InputError


def pyarrow() -> Any:
    """The package that knows the format.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ImportError as problem:
        raise ConfigError(
            "pyarrow, which packed datasets are read with, is not installed: pip install 'encore[packed]'"
        ) from problem
    return pa


def write(stream: Any, name: str, values: Sequence[bytes] | np.ndarray, width: int = -1) -> None:
    """Write a column.

    Args:
        stream: a file that is written.
        name: of the column.
        values: numbers, [n]; or the bytes of each example.
        width: bytes of every example; -1: they differ.
    """
    pa = pyarrow()
    held = pa.array(values) if isinstance(values, np.ndarray) else pa.array(values, pa.binary(width))
    batch = pa.record_batch([held], names=[name])
    with pa.ipc.new_file(stream, batch.schema) as file:
        file.write_batch(batch)


def bounds(file: Path) -> np.ndarray:
    """Where each example of a column of bytes begins in the file, and where the last one ends, int64 [n + 1]."""
    pa = pyarrow()
    with pa.memory_map(str(file)) as mapped:
        first = mapped.read_buffer(1).address
        column = only(mapped, file)
        begin = column.buffers()[-1].address - first
        if pa.types.is_fixed_size_binary(column.type):
            return begin + np.arange(len(column) + 1) * column.type.byte_width
        return begin + np.frombuffer(column.buffers()[1], np.int32, len(column) + 1).astype(np.int64)


def flat(file: Path) -> np.ndarray:
    """The values of a column of numbers, [n]."""
    pa = pyarrow()
    with pa.memory_map(str(file)) as mapped:
        return np.array(only(mapped, file))


def only(mapped: Any, file: Path) -> Any:
    """A file's only column.

    Raises:
        InputError: it is no such file.
    """
    pa = pyarrow()
    try:
        batches = pa.ipc.open_file(mapped, options=pa.ipc.IpcReadOptions(use_threads=False))
        if batches.num_record_batches != 1:
            raise InputError(f"{file} has {batches.num_record_batches} record batches, and a shard has one")
        return batches.get_batch(0).column(0)
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{file} is no shard: {' '.join(str(problem).split())}") from problem
