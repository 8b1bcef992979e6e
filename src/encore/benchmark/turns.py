"""A run that takes turns with another: an epoch each."""

from collections.abc import Callable
from threading import Semaphore, Thread


class Turns:
    """Work in a thread of its own, which waits before each of its epochs until it is told to go on.

    Args:
        work: is given what it has to call at the beginning of every epoch.
    """

    def __init__(self, work: Callable[[Callable[[], None]], None]) -> None:
        self.work = work
        self.here, self.there = Semaphore(0), Semaphore(0)
        self.problem: BaseException | None = None
        Thread(target=self.run, daemon=True).start()
        self.wait()

    def run(self) -> None:
        """The thread's work."""
        try:
            self.work(self.pause)
        except BaseException as problem:
            self.problem = problem
        self.here.release()

    def pause(self) -> None:
        """Give the turn away, in the thread."""
        self.here.release()
        self.there.acquire()

    def wait(self) -> None:
        """Wait until the thread gives the turn away, or ends."""
        self.here.acquire()
        if self.problem is not None:
            raise self.problem

    def epoch(self, epoch: int) -> None:
        """Let it go on for an epoch; the last one includes its end."""
        self.there.release()
        self.wait()
