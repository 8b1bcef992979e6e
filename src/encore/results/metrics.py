"""What a run logged, from metrics.csv."""

import csv
from pathlib import Path

from encore.errors import InputError


def curve(folder: Path, metric: str) -> tuple[list[int], list[float]]:
    """A metric's epochs, counted from 1, and values.

    Raises:
        InputError: the run has logged no such metric.
    """
    file = folder / "metrics.csv"
    try:
        with file.open(newline="") as stream:
            points = [(int(row["epoch"]) + 1, float(row[metric])) for row in csv.DictReader(stream) if row.get(metric)]
    except FileNotFoundError as problem:
        raise InputError(f"there is no {file}: the run was trained without logger=csv") from problem
    except (OSError, ValueError, KeyError, csv.Error) as problem:
        raise InputError(f"{file} cannot be read: {problem}") from problem
    if not points:
        raise InputError(f"{file} has no {metric}")
    epochs, values = zip(*points, strict=True)
    return list(epochs), list(values)
