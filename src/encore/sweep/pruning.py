"""Ending unpromising runs of a search early, judged by what earlier runs had reached at the same epoch."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from encore.analysis.results.metrics import curve
from encore.errors import InputError
from encore.files import read_json, write_json
from encore.record import seal
from encore.record.reading import by_name, figure

VALUES = "pruning.json"  # in a run's folder: the monitored metric by epoch, counted from 1


def ask(exchange: Path, number: int, judge: dict[str, Any]) -> None:
    """Ask for a run of a sweep to be judged.

    Args:
        exchange: the folder where the run looks.
        number: the run's number.
        judge: the arguments of `encore.sweep.judge.Judge`, plain values.
    """
    write_json(exchange / f"{number}.judge.json", judge)


def asked(exchange: Path, number: int) -> dict[str, Any] | None:
    """The judge's arguments for a run; None if it is not to be judged."""
    file = exchange / f"{number}.judge.json"
    return read_json(file) if file.exists() else None


def values(folder: Path, metric: str) -> dict[str, float]:
    """A run's values by epoch: as recorded by the judge, or else from metrics.csv, if there is one.

    A damaged file counts as none: the values are logged, too.

    Raises:
        InputError: one of them was altered.
    """
    found: dict[str, float] = {}
    with suppress(InputError):
        found = {str(epoch): value for epoch, value in zip(*curve(folder, metric), strict=True)}
    seal.check(folder, VALUES)
    with suppress(InputError):
        watched = read_json(folder / VALUES)
        if by_name(figure, of=epoch)(watched) is None:
            found |= watched
    return found


def epoch(value: Any) -> str | None:
    """What is wrong with the text of an epoch, counted from 1."""
    return None if isinstance(value, str) and value.isdecimal() and len(value) < 16 else "must be a number of epochs"
