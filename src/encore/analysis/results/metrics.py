"""What a run logged, from metrics.csv."""

from pathlib import Path

from encore.config.directions import lower_is_better
from encore.errors import InputError
from encore.record import seal
from encore.record.logged_values import FILE, log_of

# Prefixes of metrics measured over an epoch; anything else, and a batch's loss, belongs to a single step.
SPLITS, OF_A_STEP = ("train", "val"), ("train/batch_loss",)

MOST = 2**53  # epochs or steps that can be counted


def curve(folder: Path, metric: str) -> tuple[list[int], list[float]]:
    """A metric's epochs, counted from 1, and values.

    Raises:
        InputError: the run has logged no such metric.
    """
    points = [(epoch + 1, value) for epoch, _, value in logged(folder, metric) if value is not None]
    return [epoch for epoch, _ in points], [value for _, value in points]


def timeline(folder: Path, metric: str) -> tuple[list[float], list[float]]:
    """When a metric was measured, in epochs since the start of the run, and its values.

    A metric of an epoch is placed at the epoch's end, one logged at a step before that step.

    Raises:
        InputError: the run has logged no such metric.
    """
    log = logged(folder, metric)
    steps = 1 + max(step for epoch, step, _ in log if epoch == log[0][0])  # in an epoch
    after = 0 if metric in OF_A_STEP or metric.partition("/")[0] not in SPLITS else 1
    points = [((step + after) / steps, value) for _, step, value in log if value is not None]
    return [place for place, _ in points], [value for _, value in points]


def logged(folder: Path, metric: str) -> list[tuple[int, int, float | None]]:
    """The epoch and step, counted from 0, and value of every row with the metric; there is at least one.

    Raises:
        InputError: no row has the metric, or the file was altered.
    """
    seal.check(folder, FILE)
    file, held = folder / FILE, log_of(folder)
    if held is None:
        raise InputError(f"there is no {file}: the run was trained without logger=csv; fresh=true runs it again")
    column = held.names.index(metric) if metric in held.names else len(held.names)
    try:
        log = [
            (counted(epoch), counted(step), float(cells[column]) if column < len(cells) and cells[column] else None)
            for epoch, step, cells in held.rows
            if step  # logged by a callback without an epoch, so it cannot be placed
        ]
    except ValueError as problem:
        raise InputError(f"{file} cannot be read: {problem}") from problem
    if all(value is None for _, _, value in log):
        raise InputError(f"{file} has no {metric}; it has {', '.join(held.names) or 'nothing'}")
    return log


def counted(cell: str) -> int:
    """A number of epochs or steps."""
    number = int(cell)
    if not 0 <= number <= MOST:
        raise ValueError(f"{cell[:20]} counts no epochs or steps")
    return number


def first_reaching(folder: Path, metric: str, figure: float) -> int | None:
    """The first epoch, counted from 1, in which a metric reaches a figure; None if it never does.

    Raises:
        InputError: the run has logged no such metric.
    """
    sign = 1 if lower_is_better(metric) else -1
    return next(
        (epoch for epoch, value in zip(*curve(folder, metric), strict=True) if sign * value <= sign * figure), None
    )
