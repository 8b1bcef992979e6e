"""What a run logged, from metrics.csv."""

import csv
from pathlib import Path

from encore.directions import lower_is_better
from encore.errors import InputError

# Before the name of what is measured over an epoch; anything else, and one batch's loss, belongs to a single step.
SPLITS, OF_A_STEP = ("train", "val"), ("train/batch_loss",)


def curve(folder: Path, metric: str) -> tuple[list[int], list[float]]:
    """A metric's epochs, counted from 1, and values.

    Raises:
        InputError: the run has logged no such metric.
    """
    points = [(epoch + 1, value) for epoch, _, value in logged(folder, metric) if value is not None]
    return [epoch for epoch, _ in points], [value for _, value in points]


def timeline(folder: Path, metric: str) -> tuple[list[float], list[float]]:
    """When a metric was measured, in epochs since the run's beginning, and its values.

    What is measured over an epoch stands at the epoch's end; what is logged with a step, before the step.

    Raises:
        InputError: the run has logged no such metric.
    """
    log = logged(folder, metric)
    steps = 1 + max(step for epoch, step, _ in log if epoch == log[0][0])  # in an epoch
    after = 0 if metric in OF_A_STEP or metric.partition("/")[0] not in SPLITS else 1
    points = [((step + after) / steps, value) for _, step, value in log if value is not None]
    return [place for place, _ in points], [value for _, value in points]


def logged(folder: Path, metric: str) -> list[tuple[int, int, float | None]]:
    """Every row's epoch and step, counted from 0, and the metric's value, if it has one; at least one has.

    Raises:
        InputError: none has.
    """
    file = folder / "metrics.csv"
    try:
        with file.open(newline="") as stream:
            rows = csv.DictReader(stream)
            log = [
                (int(row["epoch"]), int(row["step"]), float(row[metric]) if row.get(metric) else None)
                for row in rows
                if row["step"]  # logged without one by a callback, it has no place here
            ]
            names = [name for name in rows.fieldnames or () if name not in ("epoch", "step")]
    except FileNotFoundError as problem:
        raise InputError(
            f"there is no {file}: the run was trained without logger=csv; fresh=true runs it again"
        ) from problem
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as problem:
        raise InputError(f"{file} cannot be read: {problem}") from problem
    if all(value is None for _, _, value in log):
        raise InputError(f"{file} has no {metric}; it has {', '.join(names) or 'nothing'}")
    return log


def first_reaching(folder: Path, metric: str, figure: float) -> int | None:
    """The first epoch, counted from 1, in which a metric is at a figure or better; None if it never is.

    Raises:
        InputError: the run has logged no such metric.
    """
    sign = 1 if lower_is_better(metric) else -1
    return next(
        (epoch for epoch, value in zip(*curve(folder, metric), strict=True) if sign * value <= sign * figure), None
    )
