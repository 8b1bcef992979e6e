"""What a sweep shows while it runs: a line for each run that ends, and a bar with the time left."""

import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from encore.config.combinations import Job
from encore.sweep.outcome import Outcome


class Board:
    """Watches the folder in which runs leave their outcomes, wherever they run.

    Args:
        exchange: that folder.
        total: how many runs there will be.
        metric: shown for a finished run beside the monitored one; None shows only the best monitored value.
    """

    def __init__(self, exchange: Path, total: int, metric: str | None) -> None:
        self.exchange, self.total, self.metric = exchange, total, metric
        self.out = sys.stdout  # runs in this process redirect sys.stdout
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
        """Set how many runs are done; other processes may have done some."""
        self.skip(done - self.done)
        self.done = done

    def expect(self, jobs: dict[int, Job]) -> None:
        """Register the runs that come next, by number."""
        with self.looking:
            self.labels |= {number: " ".join(job) for number, job in jobs.items()}

    def watch(self) -> None:
        """Poll for outcomes; a problem here comes up again, and is reported, when all runs have ended."""
        while not self.over.wait(0.2):
            try:
                self.look()
            except Exception:
                return

    def look(self) -> None:
        with self.looking:
            for number in [each for each in self.labels if each not in self.outcomes]:
                if (outcome := Outcome.read(self.exchange, number)) is not None:
                    self.take(outcome)

    def lost(self, outcome: Outcome) -> None:
        """Show a run that could not write its outcome itself."""
        with self.looking:
            self.take(outcome)

    def take(self, outcome: Outcome) -> None:
        """Keep an outcome and show its line; a run that another process is working on will show up again."""
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
        with suppress(BrokenPipeError):  # nobody is reading any more; the sweep continues
            tqdm.write(line.rstrip(), file=self.out)
            self.out.flush()

    def skip(self, runs: int) -> None:
        """Advance the bar without letting these runs count in the time estimate."""
        if runs and not self.bar.disable:
            self.bar.initial += runs
            self.bar.update(runs)

    def said(self, outcome: Outcome) -> str:
        if outcome.status != "finished":
            return outcome.said
        best = {} if outcome.monitored is None else {f"best {outcome.monitor}": outcome.monitored}
        names = [f"best {outcome.monitor}"] if self.metric is None else [outcome.monitor, self.metric]
        known = outcome.metrics | best
        values = [f"{name} {known[name]:.4f}" for name in dict.fromkeys(names) if name in known]
        return "  ".join([*values, "finished before" if outcome.repeated else f"{outcome.seconds:.1f} s"])
