"""Several runs of one architecture, trained in one process as one batched model.

Each run is a run like any other: Lightning sets it up, and tests and records it afterwards. Only its loop over epochs
is another one: there it waits until all others stand in theirs, and then they are trained together. A run's numbers
depend on how many train together, and neither on the others nor on its place among them, so that it can be done again
alone, in the company of copies of itself.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter

import pytorch_lightning as pl
import torch

from encore.errors import ConfigError
from encore.fast.spared import filling
from encore.population.fleet import Fleet
from encore.population.member import Member
from encore.population.programs import Programs
from encore.population.refusals import against_parts
from encore.terminal import logging_set_aside

MOST = 256  # members
CALLS = 50  # of Python's that one run has within another; 14 were counted


class Population:
    """Runs that train together.

    Args:
        size: how many the arithmetic is of: there are copies in the place of those that are missing.
        programs: as `Network` takes them.
        told: is called after each epoch, with the number of those that are complete.

    Attributes:
        starts: each begins one run, and returns when that is over. A run that gets as far as its training begins
            those after it, and waits for them, so that they end in the opposite order.
    """

    def __init__(
        self, size: int, programs: Programs | None = None, told: Callable[[int], object] = lambda epochs: None
    ) -> None:
        self.size, self.programs, self.told = size, {} if programs is None else programs, told
        self.starts: list[Callable[[], object]] = []
        self.members: list[Member] = []
        self.over, self.fills = False, fills()
        self.problem: BaseException | None = None

    def train(self) -> None:
        """Begin all runs, train them, and end them."""
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(before + CALLS * len(self.starts))
        try:
            self.go_on()
        finally:
            sys.setrecursionlimit(before)

    def go_on(self) -> None:
        """Begin the runs that have not begun, and train all that got that far."""
        while self.starts and not self.over:
            with logging_set_aside(), filling(self.fills):  # as if the run around it had not begun
                self.starts.pop(0)()
        if self.over:
            return
        self.over = True
        if not self.members:
            return
        try:
            with one_thread():
                Fleet(self.size, self.members, self.programs).train(self.told)
        except BaseException as problem:
            self.problem = problem
            raise

    def stop(self, problem: BaseException) -> None:
        """Begin no more runs; those that wait end, too."""
        if not self.over:
            self.over, self.problem = True, problem

    def companion(self) -> "Companion":
        """What makes a run one of these: a callback."""
        return Companion(self)


class Companion(pl.Callback):
    """Lets a run take part in a population; see `encore.population.population`."""

    def __init__(self, population: Population) -> None:
        self.population = population

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        return None

    def setup(self, trainer: pl.Trainer, task: pl.LightningModule, stage: str) -> None:
        """Stand in for the loop over epochs."""
        if stage == "fit":
            self.trainer, self.task = trainer, task
            vars(trainer.fit_loop)["run"] = self.run

    def run(self) -> None:
        """What Lightning's loop does before its epochs and after them; in between, all members are trained.

        Raises:
            ConfigError: this run cannot be trained with others.
            EncoreError: what ended it.
        """
        loop, population = self.trainer.fit_loop, self.population
        del vars(loop)["run"]
        loop.setup_data()
        if loop.skip:
            return population.go_on()
        if reason := against_parts(self.trainer, self.task):
            raise ConfigError(f"population={population.size}: {reason}; population=null runs it alone")
        loop.reset()
        loop.on_run_start()
        member = Member(self.trainer, self.task)  # type: ignore[arg-type]
        population.members.append(member)
        population.go_on()
        if (problem := member.problem or population.problem) is not None:
            raise problem
        loop._restarting = False
        loop.on_run_end()
        return None


def fills() -> bool:
    """Whether torch fills memory before it is written to."""
    return bool(attrgetter("deterministic.fill_uninitialized_memory")(torch.utils))


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one core: several would divide the rows among them, each with other last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
