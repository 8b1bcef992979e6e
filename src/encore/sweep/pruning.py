"""Ending runs that a search has seen enough of, by what runs before them had reached at the same epoch."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from encore.errors import InputError
from encore.record.files import read_json, write_json
from encore.results.metrics import curve

VALUES = "pruning.json"  # in a run's folder: the monitored metric by epoch, counted from 1


def ask(exchange: Path, number: int, judge: dict[str, Any]) -> None:
    """Have a run of a sweep judged.

    Args:
        exchange: where the run looks.
        number: of the run.
        judge: the arguments of `encore.sweep.judge.Judge`, plain values.
    """
    write_json(exchange / f"{number}.judge.json", judge)


def asked(exchange: Path, number: int) -> dict[str, Any] | None:
    """What a run is to be judged by; None if it is not."""
    file = exchange / f"{number}.judge.json"
    return read_json(file) if file.exists() else None


def values(folder: Path, metric: str) -> dict[str, float]:
    """What a run had reached by epoch: as it was watched, or else as metrics.csv has it, if there is one."""
    found: dict[str, float] = {}
    with suppress(InputError):
        found = {str(epoch): value for epoch, value in zip(*curve(folder, metric), strict=True)}
    file = folder / VALUES
    return found | (read_json(file) if file.exists() else {})
