"""What a sweep shows while it runs: a line for each run that ends, and a bar with the time left."""

import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from encore.sweep.outcome import Outcome

Job = Sequence[str]  # the overrides of one run


class Board:
    """Watches the folder in which runs leave their outcomes, wherever they run.

    Args:
        exchange: that folder.
        total: how many runs there will be.
        metric: to show of a finished run beside the monitored one; None shows that one's best alone.
    """

    def __init__(self, exchange: Path, total: int, metric: str | None) -> None:
        self.exchange, self.total, self.metric = exchange, total, metric
        self.out = sys.stdout  # runs of this process redirect it
        self.labels: dict[int, str] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.done = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.looking = threading.Lock()

    def __enter__(self) -> "Board":
        self.bar = tqdm(
            total=self.total,
            unit="run",
            dynamic_ncols=True,
            leave=False,
            disable=None,
            smoothing=0,
            bar_format="{n_fmt}/{total_fmt} runs {bar} {elapsed} < {remaining}",
        )
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.thread.join()
        self.bar.close()

    def stand(self, done: int) -> None:
        """Say how many runs are done, where others do some, too."""
        self.skip(done - self.done)
        self.done = done

    def expect(self, jobs: dict[int, Job]) -> None:
        """Say which runs come next, by number."""
        with self.looking:
            self.labels |= {number: " ".join(job) for number, job in jobs.items()}

    def watch(self) -> None:
        """Look now and then; what hinders it is met again, and told, when all runs have ended."""
        while not self.over.wait(0.2):
            try:
                self.look()
            except Exception:
                return

    def look(self) -> None:
        """Show what has ended since."""
        with self.looking:
            for number in [each for each in self.labels if each not in self.outcomes]:
                if (outcome := Outcome.read(self.exchange, number)) is not None:
                    self.take(outcome)

    def lost(self, outcome: Outcome) -> None:
        """Show a run that could not leave its outcome itself."""
        with self.looking:
            self.take(outcome)

    def take(self, outcome: Outcome) -> None:
        """Keep an outcome, and show its line; one that another process works on will be seen again."""
        self.outcomes[outcome.number] = outcome
        if outcome.status == "busy":
            return
        self.done += 1
        if outcome.repeated:
            self.skip(1)
        else:
            self.bar.update()
        place = f"{self.done:{len(str(self.total))}}/{self.total}"
        width = max(map(len, self.labels.values()))
        line = f"{place}  {self.labels[outcome.number]:{min(width, 60)}}  {self.said(outcome)}"
        with suppress(BrokenPipeError):  # nobody listens any more; the sweep goes on
            tqdm.write(line.rstrip(), file=self.out)
            self.out.flush()

    def skip(self, runs: int) -> None:
        """Advance the bar past runs that say nothing of the time that others take."""
        if runs and not self.bar.disable:
            self.bar.initial += runs
            self.bar.update(runs)

    def said(self, outcome: Outcome) -> str:
        """What became of a run."""
        if outcome.status != "finished":
            return outcome.said
        best = {} if outcome.monitored is None else {f"best {outcome.monitor}": outcome.monitored}
        names = [f"best {outcome.monitor}"] if self.metric is None else [outcome.monitor, self.metric]
        known = outcome.metrics | best
        values = [f"{name} {known[name]:.4f}" for name in dict.fromkeys(names) if name in known]
        return "  ".join([*values, "finished before" if outcome.repeated else f"{outcome.seconds:.1f} s"])


def varying(jobs: Sequence[Job]) -> list[Job]:
    """Of each run, the words that are not the same in all."""
    common = set(jobs[0]).intersection(*jobs[1:]) if len(jobs) > 1 else set()
    return [[word for word in job if word not in common] for job in jobs]
