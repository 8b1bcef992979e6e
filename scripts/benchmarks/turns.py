"""Runs two trainings in turns, one epoch each."""

from collections.abc import Callable
from threading import Semaphore, Thread


class Turns:
    """Work in a separate thread that waits for its turn before each epoch.

    Args:
        work: receives the function to call at the start of every epoch.
    """

    def __init__(self, work: Callable[[Callable[[], None]], None]) -> None:
        self.work = work
        self.here, self.there = Semaphore(0), Semaphore(0)
        self.problem: BaseException | None = None
        Thread(target=self.run, daemon=True).start()
        self.wait()

    def run(self) -> None:
        try:
            self.work(self.pause)
        except BaseException as problem:
            self.problem = problem
        self.here.release()

    def pause(self) -> None:
        """Hand over the turn, from the thread."""
        self.here.release()
        self.there.acquire()

    def wait(self) -> None:
        """Wait until the thread hands over the turn or ends."""
        self.here.acquire()
        if self.problem is not None:
            raise self.problem

    def epoch(self, epoch: int) -> None:
        """Let it run one epoch; the last one includes its end."""
        self.there.release()
        self.wait()
