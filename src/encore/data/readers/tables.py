"""Tables in files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from encore.errors import InputError, NotHere


def table(path: str, separator: str | None = None) -> Mapping[str, Any]:
    """The columns of a .csv, .tsv or .parquet file, by name.

    Args:
        path: of the file.
        separator: of a text file's columns; without, a comma, or a tab in .tsv.

    Raises:
        InputError: it is missing, broken, empty, or of another kind.
    """
    file = Path(path)
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(f"{path} ends in {file.suffix or 'nothing'}; tables are {', '.join(READERS)}: convert it")
    if not file.is_file():
        raise NotHere(f"there is no file {path}")
    columns = reader(file, separator)
    if not len(columns):
        raise InputError(f"{path} has no rows")
    return columns


def text(file: Path, separator: str | None) -> Mapping[str, Any]:
    import pandas as pd

    usual = "\t" if file.suffix.lower() == ".tsv" else ","
    try:
        columns: Mapping[str, Any] = pd.read_csv(file, sep=separator or usual)
    except (ValueError, OSError) as problem:  # ValueError: pandas' own, and bytes that are no text
        raise InputError(f"{file} cannot be read as a table: {' '.join(str(problem).split())}") from problem
    return columns


def parquet(file: Path, separator: str | None) -> Mapping[str, Any]:
    from encore.data.readers.arrow import parquet_columns

    return parquet_columns([file])


READERS: dict[str, Callable[[Path, str | None], Mapping[str, Any]]] = {
    ".csv": text,
    ".tsv": text,
    ".parquet": parquet,
}
