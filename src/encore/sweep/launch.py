"""The runs of a sweep: launched by whatever launcher Hydra was given, watched, and waited for."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from encore.config.accelerator import cuda_devices
from encore.config.combinations import Job
from encore.config.compose import literal
from encore.config.cores import available_cores
from encore.errors import CannotWrite, ConfigError, EncoreError
from encore.record.lock import waiting_for
from encore.sweep import pruning
from encore.sweep.board import Board
from encore.sweep.job import BEGAN, GPUS, process
from encore.sweep.outcome import Outcome
from encore.sweep.place import Setup
from encore.sweep.stop import SweepStop


class Launch:
    """Runs of one sweep.

    Args:
        setup: what Hydra gives.
        board: where they are shown.
        stop: what asks the sweep to stop.
    """

    def __init__(self, setup: Setup, board: Board, stop: SweepStop) -> None:
        self.setup, self.board, self.stop = setup, board, stop
        self.begun = 0
        self.problem: Exception | None = None  # of the launcher itself

    def run(
        self, jobs: Sequence[Job], labels: Sequence[Job], judge: dict[str, Any] | None = None
    ) -> dict[int, Outcome]:
        """Run jobs, as many at once as the launcher does; wait for those that another process runs.

        Args:
            jobs: the overrides of each.
            labels: what to show of them.
            judge: what may prune them, see `pruning.ask`.

        Returns:
            The outcomes by place in `jobs`, without those of which nothing was heard as the launcher failed.
        """
        found: dict[int, Outcome] = {}
        missing = list(range(len(jobs)))
        while missing and self.problem is None:
            first, self.begun = self.begun, self.begun + len(missing)
            self.board.expect({first + place: labels[each] for place, each in enumerate(missing)})
            self.launch([jobs[each] for each in missing], first, judge)
            heard = {each: self.board.outcomes.get(first + place) for place, each in enumerate(missing)}
            found |= {each: outcome for each, outcome in heard.items() if outcome is not None}
            missing = [each for each in missing if each in found and found[each].status == "busy"]
            for each in missing:  # its result will be ours, too
                with waiting_for(Path(str(found[each].folder)), seconds=0.5):
                    pass
        return found

    def launch(self, jobs: Sequence[Job], first: int, judge: dict[str, Any] | None) -> None:
        """Run jobs once, numbered from `first`."""
        exchange = f"hydra.sweep.dir={literal(str(self.board.exchange))}"
        if judge is not None:
            for number in range(first, first + len(jobs)):
                pruning.ask(self.board.exchange, number, judge)
        waiting = nullcontext() if on_cluster(self.setup) else self.stop.deferred()
        returned: Sequence[JobReturn] = []
        with waiting:
            try:
                returned = self.setup.launcher.launch([[*job, exchange] for job in jobs], initial_job_idx=first)
            except (EncoreError, OSError):
                raise
            except Exception as problem:  # a process that died takes those beside it along
                self.problem = problem
        self.board.look()
        for number, back in enumerate(returned, first):
            if number not in self.board.outcomes:
                self.board.lost(silent(number, back, self.board.exchange))

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
            print("the same command continues the run with what is missing", file=sys.stderr)
        if code := max(code, 0 if self.problem is None else ConfigError.code):
            sys.exit(code)


def silent(number: int, back: JobReturn, exchange: Path) -> Outcome:
    """The outcome of a run that left none."""
    try:
        _ = back.return_value
    except OSError as problem:
        return Outcome(number, "failed", CannotWrite.code, error=str(problem))
    except Exception as problem:
        return Outcome(number, "failed", ConfigError.code, error=f"{type(problem).__name__}: {problem}")
    return Outcome(number, "failed", CannotWrite.code, error=f"its outcome never came: is {exchange} the same there?")


@contextmanager
def launching(setup: Setup, total: int, metric: str | None) -> Iterator[Launch]:
    """Watch runs as long as the block lasts.

    Args:
        setup: what Hydra gives.
        total: how many runs the sweep has.
        metric: to show of each beside the monitored one; None shows that one's best.

    Raises:
        CannotWrite: the sweep's folder cannot be made.
    """
    exchange = setup.place.exchange
    try:
        exchange.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CannotWrite(f"{exchange} cannot be made: {problem}\nruns_dir=… puts runs elsewhere") from problem
    os.environ[BEGAN] = process(os.getpid())
    share_gpus(setup.config.hydra.launcher, setup.launcher)
    jobs = "its jobs go on, and " if on_cluster(setup) else ""
    with (
        SweepStop(exchange, f"{jobs}the same command continues the run") as stop,
        Board(exchange, total, metric) as board,
    ):
        yield Launch(setup, board, stop)


def on_cluster(setup: Setup) -> bool:
    """Whether runs are jobs of SLURM, which need nobody who waits for them."""
    return setup.config.hydra.launcher._target_.endswith("SlurmLauncher")


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


def threads(settings: DictConfig) -> int | None:
    """The threads of each run, as its launcher gives them; None where that is known only in its process."""
    if "n_jobs" in settings:
        cores, at_once = available_cores(), settings.n_jobs
        if at_once < 0:
            at_once = max(1, cores + 1 + at_once)
        return cores if "OMP_NUM_THREADS" in os.environ else max(1, cores // max(1, at_once))
    given = settings.get("cpus_per_task") or settings.get("remote", {}).get("num_cpus")
    return max(1, int(given)) if given else None
