"""Results that are not a single number, such as a confusion matrix, as CSV files in the run's folder."""

import csv
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encore.files import write_text, writing

FOLDER = "tables"


def write_tables(tables: dict[str, Any], folder: Path) -> None:
    """Write each to `tables/SPLIT-NAME.csv`: a matrix row by row, a vector as a column, several as columns."""
    for name, value in tables.items():
        with writing(folder / FOLDER):
            (folder / FOLDER).mkdir(exist_ok=True)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows(value))
        write_text(folder / FOLDER / f"{name.replace('/', '-')}.csv", text.getvalue())


def rows(value: Any) -> list[list[Any]]:
    """A table's rows; columns shorter than the others are padded with empty cells."""
    if isinstance(value, Tensor):
        return value.reshape(len(value), -1).tolist() if value.ndim else [[value.item()]]
    columns = [torch.as_tensor(column).flatten().tolist() for column in value]
    length = max(map(len, columns), default=0)
    padded = [[*column, *[""] * (length - len(column))] for column in columns]
    return [list(row) for row in zip(*padded, strict=True)]
