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
        place: the sweep's folder.
        total: how many runs there will be.
        metrics: which to show of a finished run; `best` is the monitored one's best.
        known: runs that are done and not to be seen again.
    """

    def __init__(self, place: Path, total: int, metrics: Sequence[str], known: int) -> None:
        self.place, self.total, self.metrics, self.known = place, total, metrics, known
        self.out = sys.stdout  # runs of this process redirect it
        self.labels: dict[int, str] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.look_again = threading.Lock()

    def __enter__(self) -> "Board":
        self.bar = tqdm(
            total=self.total,
            initial=self.known,
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
        self.look()
        self.bar.close()

    def expect(self, jobs: dict[int, Job]) -> None:
        """Say which runs come next, by number; one that was there before is another attempt."""
        with self.look_again:
            for number, job in jobs.items():
                self.labels[number] = " ".join(job)
                self.outcomes.pop(number, None)

    def watch(self) -> None:
        """Look now and then."""
        while not self.over.wait(0.2):
            self.look()

    def look(self) -> None:
        """Show what has ended since."""
        with self.look_again:
            for number in [each for each in self.labels if each not in self.outcomes]:
                outcome = Outcome.read(self.place, number)
                if outcome is not None:
                    self.outcomes[number] = outcome
                    self.show(outcome)

    def show(self, outcome: Outcome) -> None:
        """One run's line."""
        if outcome.repeated and not self.bar.disable:
            self.bar.initial += 1  # it says nothing of the time that the others take
        self.bar.update()
        place = f"{self.known + len(self.outcomes):{len(str(self.total))}}/{self.total}"
        width = max(map(len, self.labels.values()), default=0)
        line = f"{place}  {self.labels[outcome.number]:{min(width, 60)}}  {self.said(outcome)}"
        with suppress(BrokenPipeError):  # nobody listens any more; the sweep goes on
            tqdm.write(line.rstrip(), file=self.out)
            self.out.flush()

    def said(self, outcome: Outcome) -> str:
        """What became of a run."""
        if outcome.status != "finished":
            return outcome.said
        known = {"best": outcome.monitored, **outcome.metrics}
        values = [f"{name} {value:.4f}" for name in self.metrics if (value := known.get(name)) is not None]
        return "  ".join([*values, "finished before" if outcome.repeated else f"{outcome.seconds:.1f} s"])


def varying(jobs: Sequence[Job]) -> list[Job]:
    """Of each run, the words that are not the same in all."""
    common = set(jobs[0]).intersection(*jobs[1:]) if len(jobs) > 1 else set()
    return [[word for word in job if word not in common] for job in jobs]
