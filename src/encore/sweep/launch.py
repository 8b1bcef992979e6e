"""The runs of a sweep: launched by whatever launcher Hydra was given, watched, and reported on."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig

from encore.accelerator import cuda_devices
from encore.errors import CannotWrite, EncoreError, InputError
from encore.stopping import Stop
from encore.sweep import pruning
from encore.sweep.board import Board, Job
from encore.sweep.job import BEGAN, GPUS
from encore.sweep.outcome import Outcome


class Launch:
    """Runs of one sweep.

    Args:
        sweeper: Hydra's, set up.
        board: where they are shown.
    """

    def __init__(self, sweeper: Sweeper, board: Board) -> None:
        self.sweeper, self.board = sweeper, board
        self.begun = 0
        self.problem: Exception | None = None  # of the launcher itself

    def run(
        self, jobs: Sequence[Job], labels: Sequence[Job], judge: dict[str, Any] | None = None
    ) -> list[Outcome | None]:
        """Run jobs, as many at once as the launcher does; None for those of which nothing was heard.

        Args:
            jobs: the overrides of each.
            labels: what to show of them.
            judge: what may prune them, see `pruning.ask`.
        """
        first, self.begun = self.begun, self.begun + len(jobs)
        numbers = range(first, self.begun)
        self.board.expect(dict(zip(numbers, labels, strict=True)))
        if judge is not None:
            for number in numbers:
                pruning.ask(self.board.place, number, judge)
        assert self.sweeper.launcher is not None
        try:
            self.sweeper.launcher.launch([list(job) for job in jobs], initial_job_idx=first)
        except (EncoreError, OSError):
            raise
        except Exception as problem:  # a process that died takes those beside it along
            self.problem = problem
        self.board.look()
        return [self.board.outcomes.get(number) for number in numbers]

    def end(self, code: int) -> None:
        """Say what nobody has foreseen, and end with the exit code.

        Raises:
            SystemExit: the code is not 0, or the launcher itself has failed.
        """
        errors = (outcome.error for outcome in self.board.outcomes.values())
        for error in dict.fromkeys(error for error in errors if error and error.startswith("Traceback")):
            print(f"\n{error.strip()}", file=sys.stderr)
        if self.problem is not None:
            print(f"\nerror: {type(self.problem).__name__}: {self.problem}", file=sys.stderr)
            print("the same command goes on with what is missing", file=sys.stderr)
        if code := max(code, 0 if self.problem is None else 1):
            sys.exit(code)


@contextmanager
def launching(sweeper: Sweeper, total: int, metrics: Sequence[str], known: int = 0) -> Iterator[Launch]:
    """Watch runs as long as the block lasts.

    Args:
        sweeper: Hydra's, set up.
        total: how many runs the sweep has.
        metrics: which to show of each.
        known: how many need not be run any more.
    """
    assert sweeper.config is not None
    place = Path(sweeper.config.hydra.sweep.dir)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CannotWrite(f"{place} cannot be made: {problem}\nruns_dir=… puts runs elsewhere") from problem
    os.environ[BEGAN] = str(os.getpid())
    share_gpus(sweeper.config.hydra.launcher, sweeper.launcher)
    with Stop(), Board(place, total, metrics, known) as board:
        yield Launch(sweeper, board)


def share_gpus(settings: DictConfig, launcher: Any) -> None:
    """Give each of joblib's processes a GPU of its own, where there are several, and unless told otherwise no more."""
    if "n_jobs" not in settings or len(gpus := visible_gpus()) < 2:
        return
    os.environ[GPUS] = ",".join(gpus)
    if settings.n_jobs == -1:
        launcher.joblib["n_jobs"] = len(gpus)


def visible_gpus() -> list[str]:
    """This machine's GPUs, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(number) for number in range(cuda_devices())]


def report(
    folders: Sequence[Path], lost: Sequence[str], to: Path, by: Sequence[str] | None, metric: str, lower: bool
) -> None:
    """Write and show the report on a sweep's runs.

    Args:
        folders: of the runs.
        lost: what became of runs that have none.
        to: the report's folder.
        by: the settings that make groups; all that differs without.
        metric: of the report.
        lower: it is better when it is lower.
    """
    from encore.results.study import report_on  # pandas and matplotlib take a second to import

    try:
        found = report_on(dict.fromkeys(folders), metric, by, mixed=True, lower=lower)
    except InputError as nothing:
        print(f"\nthere is nothing to report: {nothing}", file=sys.stderr)
        return
    found.lost.extend(lost)
    found.write(to)
    print(f"\n{found.text()}\n\n{to / 'report.html'}")
