"""What a run logged, from metrics.csv."""

import csv
from pathlib import Path

from encore.errors import InputError

# In the names of metrics that are better when they are lower.
LOWER = ("loss", "error", "mse", "mae", "nll", "entropy", "perplexity")
# What begins the name of the first epoch in which a metric reaches a figure: `epochs to train/loss 0.01`.
UNTIL = "epochs to "


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
        raise InputError(
            f"there is no {file}: the run was trained without logger=csv; fresh=true runs it again"
        ) from problem
    except (OSError, ValueError, KeyError, csv.Error) as problem:
        raise InputError(f"{file} cannot be read: {problem}") from problem
    if not points:
        raise InputError(f"{file} has no {metric}")
    epochs, values = zip(*points, strict=True)
    return list(epochs), list(values)


def first_reaching(folder: Path, metric: str, figure: float) -> int | None:
    """The first epoch, counted from 1, in which a metric is at a figure or better; None if it never is.

    Raises:
        InputError: the run has logged no such metric.
    """
    sign = 1 if lower_is_better(metric) else -1
    return next(
        (epoch for epoch, value in zip(*curve(folder, metric), strict=True) if sign * value <= sign * figure), None
    )


def lower_is_better(metric: str) -> bool:
    """Whether a metric is one of errors, or counts epochs, by its name."""
    return metric.startswith(UNTIL) or any(word in metric.lower() for word in LOWER)
