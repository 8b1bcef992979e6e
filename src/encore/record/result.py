"""What a run gave."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from encore.errors import InputError
from encore.record.files import read_json, write_json


@dataclass(frozen=True)
class Result:
    """What a run gave; `result.json` holds the same.

    Attributes:
        folder: where everything else is.
        status: `running`, `finished`, `preempted`, `diverged` or `failed`.
        metrics: last epoch's `train/…` and `val/…`, and `test/…` of the best weights.
        monitored: the best value of the monitored metric; None before there is one.
        weights_sha256: of the last weights.
        losses_sha256: of every step's loss.
        seconds: that it took, with those up to the checkpoint that it was gone on from.
    """

    folder: Path
    status: str
    fingerprint: str
    seed: int
    name: str
    started: str
    metrics: dict[str, float] = field(default_factory=dict)
    monitored: float | None = None
    best: dict[str, Any] = field(default_factory=dict)
    weights_sha256: str | None = None
    losses_sha256: str | None = None
    epochs: int = 0
    steps: int = 0
    seconds: float = 0.0
    lineage: str | None = None
    stopped_early: bool = False
    error: str | None = None

    @classmethod
    def read(cls, folder: Path) -> "Result":
        """Read a run folder's result.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        if not folder.is_dir():
            raise InputError(f"there is no run folder {folder}; python scripts/runs.py lists the runs")
        held = read_json(folder / "result.json")
        try:
            return cls(folder=folder, **held)
        except TypeError as problem:
            raise InputError(f"{folder / 'result.json'} is no run's result: {problem}") from problem

    def write(self) -> None:
        """Write `result.json` in one step."""
        write_json(self.folder / "result.json", {k: v for k, v in vars(self).items() if k != "folder"})


def readable(folder: Path) -> Result | None:
    """A folder's result, or None where it has none."""
    try:
        return Result.read(folder)
    except InputError:
        return None
