"""The outcome of one run of a sweep, as its process reports it to the one that started the sweep."""

from dataclasses import dataclass, field
from pathlib import Path

from encore.errors import InputError
from encore.files import read_json, write_json
from encore.terminal import harmless


@dataclass(frozen=True)
class Outcome:
    """The outcome of one run.

    Attributes:
        number: of the run in its sweep, from 0.
        status: `finished`, `diverged`, `failed` or `preempted`; `busy` if another process holds the run, `pruned`
            if a search ended it early.
        code: the exit code that the run alone would have.
        seconds: how long it took this time.
        folder: the run's folder; None if it has none.
        monitor: the monitored metric.
        monitored: its best value.
        metrics: from its result.
        values: the monitored metric by epoch, counted from 1, as far as it was recorded.
        repeated: whether it had been finished before.
        error: why it did not finish.
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
        """Why it did not finish, in one line: the first line of a message, or the last of a traceback."""
        lines = (self.error or "").strip().splitlines() or [""]
        line = harmless(lines[-1 if lines[0].startswith("Traceback") else 0])
        return line if line.startswith(self.status) else f"{self.status}: {line}"

    def write(self, place: Path) -> None:
        """Write it to the folder that the sweep watches."""
        write_json(path(place, self.number), vars(self))

    @classmethod
    def read(cls, place: Path, number: int) -> "Outcome | None":
        """Read a run's outcome; None if it has not been written yet.

        Raises:
            InputError: it cannot be read.
        """
        file = path(place, number)
        if not file.exists():
            return None
        try:
            return cls(**read_json(file))
        except TypeError as problem:
            raise InputError(f"{file} is no outcome of a run: {problem}") from problem


def path(place: Path, number: int) -> Path:
    """The file of a run's outcome."""
    return place / f"{number}.json"
