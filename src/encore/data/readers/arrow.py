"""Columns of Apache Arrow, as in Parquet files and Hugging Face's datasets, read on demand."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encore.data.named.ragged import Ragged, ends
from encore.errors import ConfigError, InputError


class ArrowColumns(Mapping[str, Any]):
    """A table's columns by name: arrays, or `Ragged` for lists of several lengths.

    Args:
        table: of pyarrow.
        where: how messages name it.
        classes: names of the classes, where the table has them.
    """

    def __init__(self, table: Any, where: str, classes: Sequence[str] | None = None) -> None:
        self.table, self.where, self.classes = table, where, classes

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self.table.column_names)

    def __getitem__(self, name: str) -> Any:
        import pyarrow as pa

        held = self.table.column(name).combine_chunks()
        if isinstance(held, pa.ChunkedArray):
            held = held.chunk(0) if held.num_chunks else pa.array([], held.type)
        kind = held.type
        if held.null_count:
            raise InputError(
                f"{self.where}: column {name} lacks a value in {held.null_count:,} rows: fill or drop them"
            )
        if pa.types.is_dictionary(kind):
            held, kind = held.dictionary_decode(), kind.value_type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return self.lists(held, name)
        if pa.types.is_struct(kind):
            raise InputError(
                f"{self.where}: column {name} has nested fields ({kind}), such as a picture's bytes: as a dataset "
                "of Hugging Face's (save_to_disk) its pictures can be read with data=huggingface"
            )
        nested = pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType)
        return np.asarray(held.to_pylist()) if nested else held.to_numpy(zero_copy_only=False)

    def lists(self, held: Any, name: str) -> Any:
        import pyarrow as pa

        values = held.flatten()
        if pa.types.is_nested(values.type):
            return held.to_pylist()
        if values.null_count or not (pa.types.is_primitive(values.type)):
            raise InputError(
                f"{self.where}: column {name} has lists of {values.type} that are not numbers, or have gaps: fill them"
            )
        flat = np.array(values.to_numpy(zero_copy_only=False))  # may be written to
        lengths = torch.from_numpy(held.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64))
        return Ragged(torch.from_numpy(flat), ends(lengths))


def parquet_columns(files: Sequence[Path]) -> ArrowColumns:
    """The columns of Parquet files, concatenated.

    Raises:
        ConfigError: pyarrow is not installed.
        InputError: a file is broken, or has other columns than the first.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as problem:
        raise ConfigError(
            f"{files[0]} is a Parquet file, and pyarrow, which reads it, is not installed: "
            "pip install 'encore[parquet]', or store the table as .csv"
        ) from problem
    where = str(files[0] if len(files) == 1 else files[0].parent)
    try:
        return ArrowColumns(pa.concat_tables([pq.read_table(file) for file in files]), where)
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{where} cannot be read as Parquet: {' '.join(str(problem).split())}") from problem
