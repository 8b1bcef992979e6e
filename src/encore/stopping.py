"""What asks a run to stop: SIGTERM, SLURM's requeue signal, Ctrl-C. A step that is under way is finished and saved."""

import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType, TracebackType
from typing import Self

from encore.errors import EncoreError, Interrupted, Preempted
from encore.terminal import say

REQUEUE = getattr(signal, "SIGUSR1", None)  # what sbatch --signal=USR1@90 sends before the time is up
SIGNALS = [number for number in (signal.SIGINT, signal.SIGTERM, REQUEUE) if number is not None]


class Stop:
    """Listens for signals that ask the run to stop.

    While it is `deferred`, a signal is kept in `asked` until somebody asks; at any other time it ends the run at
    once. On leaving, SLURM is told to queue the job again if that was its signal.

    Args:
        deaf: note signals, and never end anything by itself: for ranks that follow the first.
    """

    def __init__(self, deaf: bool = False) -> None:
        self.deaf, self.deferring = deaf, deaf
        self.asked: signal.Signals | None = None
        self.since = math.inf  # when it was first asked, by time.monotonic()
        self.ending = False
        self.before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.getsignal(number) for number in SIGNALS}
            self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if self.asked == REQUEUE and isinstance(problem, Preempted):
            queue_again()

    def listen(self) -> None:
        """Take the signals, also from a library that has taken them since."""
        for number in self.before:
            signal.signal(number, self.hear)

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Note a signal, or end the run; a second Ctrl-C does not wait, and once it is ending nothing disturbs it."""
        if self.ending:
            return
        again, self.asked = self.asked is not None, signal.Signals(number)
        self.since = min(self.since, time.monotonic())
        if self.deaf:
            return
        if number == signal.SIGINT and again:
            raise KeyboardInterrupt
        if not self.deferring:
            raise self.end()

    def end(self, where: str = "the same command continues the run") -> EncoreError:
        """The error that ends the run, for the reason that was given; says where the same command continues the run."""
        self.ending = True
        if self.asked == signal.SIGINT:
            return Interrupted(f"interrupted; {where}")
        return Preempted(f"stopped by {self.asked.name if self.asked else 'another rank'}; {where}")

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Note signals until the end of the block, where one that nobody has asked for ends the run."""
        self.deferring = True
        try:
            yield
        finally:
            self.deferring = self.deaf
        if self.asked is not None and not self.deaf:
            raise self.end()


def ignore_signals() -> None:
    """Leave it to the run's first process to hear what stops the run."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals wait, also for processes that begin here: they would be ended before they can ignore them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def queue_again() -> None:
    """Ask SLURM to queue this job again, as Lightning does by itself where it is alone."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    name = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if array else job
    try:
        subprocess.run(["scontrol", "requeue", name], check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as problem:
        say(f"SLURM did not queue job {name} again: {problem}")


@cache
def end_with(parent: int) -> None:
    """End this process when the one that started it has been killed; a run under way is saved before.

    It would otherwise wait without end for somebody to take what it has to say, or run for nobody.

    Args:
        parent: the number of the process that started this one.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        while True:  # the first one stops the run, and once there is none, the next one ends the process
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)

    threading.Thread(target=watch, daemon=True).start()
