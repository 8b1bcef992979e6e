"""What became of one run of a sweep, as its process tells the one that began the sweep."""

from dataclasses import dataclass, field
from pathlib import Path

from encore.record.files import read_json, write_json


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        number: of the run in its sweep, from 0.
        status: `finished`, `diverged`, `failed` or `preempted`; `busy` where another process holds the run, `pruned`
            where a search had seen enough of it.
        code: the exit code that the run would have alone.
        seconds: that it took now.
        folder: the run's; None where it has none.
        monitor: the monitored metric.
        monitored: its best value.
        metrics: the result's.
        values: the monitored metric by epoch, counted from 1, as far as it was kept.
        repeated: it was finished before.
        error: why it is not finished.
    """

    number: int
    status: str
    code: int
    seconds: float = 0.0
    folder: str | None = None
    monitor: str | None = None
    monitored: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    repeated: bool = False
    error: str | None = None

    @property
    def said(self) -> str:
        """Why it is not finished, in a line: what an error says first, or a traceback at its end."""
        lines = (self.error or "").strip().splitlines() or [""]
        line = lines[-1 if lines[0].startswith("Traceback") else 0]
        return line if line.startswith(self.status) else f"{self.status}: {line}"

    def write(self, place: Path) -> None:
        """Leave it in the folder in which it is waited for."""
        write_json(path(place, self.number), vars(self))

    @classmethod
    def read(cls, place: Path, number: int) -> "Outcome | None":
        """That of a run; None while there is none."""
        file = path(place, number)
        return cls(**read_json(file)) if file.exists() else None


def path(place: Path, number: int) -> Path:
    """Where a run's outcome is left."""
    return place / f"{number}.json"
