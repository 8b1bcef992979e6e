"""Ending runs that a search has seen enough of, by what runs before them had reached at the same epoch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from encore.record.files import read_json, write_json

if TYPE_CHECKING:
    import pytorch_lightning as pl

VALUES = "pruning.json"  # in a run's folder: the monitored metric by epoch, counted from 1


def ask(place: Path, number: int, judge: dict[str, Any]) -> None:
    """Have a run of a sweep judged.

    Args:
        place: the sweep's folder.
        number: of the run.
        judge: the arguments of `encore.sweep.judge.Judge`, plain values.
    """
    write_json(place / f"{number}.judge.json", judge)


def callbacks(place: Path, number: int) -> "list[pl.Callback]":
    """What watches a run of a sweep: nothing, unless that was asked for."""
    file = place / f"{number}.judge.json"
    if not file.exists():
        return []
    from encore.sweep.judge import Judge

    return [Judge(**read_json(file))]


def values(folder: Path) -> dict[str, float]:
    """What a run had reached by epoch, where it was watched."""
    file = folder / VALUES
    return read_json(file) if file.exists() else {}
