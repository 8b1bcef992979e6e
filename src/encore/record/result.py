"""A run's outcome."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from encore.errors import InputError
from encore.files import json_of, write_json
from encore.record import seal
from encore.record.lock import is_held
from encore.record.reading import RESULT, read_result


@dataclass(frozen=True)
class Result:
    """A run's outcome, as in `result.json`.

    Attributes:
        folder: where everything else is.
        status: `running`, `finished`, `preempted`, `diverged` or `failed`.
        metrics: last epoch's `train/…` and `val/…`, and `test/…` of the best weights.
        monitored: best value of the monitored metric; None before the first.
        weights_sha256: of the last weights.
        losses_sha256: of every step's loss.
        undeclared: by module, the digest of code that the run loaded and its fingerprint does not cover.
        seconds: total duration, including the time up to the checkpoint that it resumed from.
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
    undeclared: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Result":
        """Read a run folder's result.

        Raises:
            InputError: there is none, it cannot be read, or it was altered after the run.
        """
        if not folder.is_dir():
            raise InputError(f"there is no run folder {folder}; encore runs lists the runs")
        try:
            held = read_result(folder)
        except InputError as problem:
            if all(os.path.exists(folder / name) for name in (RESULT, seal.FILE)):  # noqa: PTH110 (it may be closed)
                raise seal.Altered(str(problem)) from problem  # it was good when it was sealed
            if isinstance(problem.__cause__, FileNotFoundError):
                raise InputError(
                    f"there is no {folder / RESULT}: not a run's folder; encore runs lists the runs"
                ) from None
            raise
        try:
            result = cls(folder=folder, **held)
        except TypeError as problem:
            raise InputError(f"{folder / 'result.json'} is not a run's result: {problem}") from problem
        seal.check_result(folder, held)
        return result

    @property
    def standing(self) -> str:
        """How the run stands, such as `is finished`; that it was killed, where nobody holds its folder any more."""
        if self.status == "running" and is_held(self.folder) is False:
            return "was killed while it ran (the same command continues it)"
        return f"is {self.status}"

    @property
    def runs_dir(self) -> Path:
        """The folder of all runs, around that of this run's kind."""
        above = self.folder.parents
        return next((folder.parent for folder in above if folder.name == self.name), above[0])

    def write(self) -> None:
        """Write `result.json` in one step; of a run that is over, after its seal."""
        held = {k: v for k, v in vars(self).items() if k != "folder"}
        if self.status in seal.OVER:
            seal.write(self.folder, {"result.json": json_of(held).encode()})
        write_json(self.folder / "result.json", held)


def readable(folder: Path) -> Result | None:
    """Read a run's outcome; None if it has not been written yet.

    Raises:
        Altered: it is not what the run left.
    """
    try:
        return Result.read(folder)
    except seal.Altered:
        raise
    except InputError:
        return None
