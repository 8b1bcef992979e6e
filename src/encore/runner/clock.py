"""How many seconds each part of a fit takes."""

import time
from collections.abc import Callable

from torch.autograd.profiler import record_function

# Rows of the table and ranges of the trace. "framework" is everything outside the other parts and has no range.
PARTS = ("data", "forward", "backward", "optimiser", "validation", "framework")


class Clock:
    """Seconds per part, excluding nested parts; while a trace is recorded, ranges in it instead.

    Args:
        wait: for the device, so that its work counts where it was asked for.
        now: seconds.
    """

    def __init__(self, wait: Callable[[], None], now: Callable[[], float] = time.perf_counter) -> None:
        self.wait, self.now = wait, now
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.seconds_before = self.seconds_traced = 0.0
        self.tracing = False
        self.within, self.ranges = ["framework"], list[record_function]()
        self.since = now()

    def begin(self) -> None:
        """Do not count the time before."""
        before, self.since = self.since, self.now()
        self.seconds_before = self.since - before

    def enter(self, part: str) -> None:
        self.count()
        self.within.append(part)
        if self.tracing:
            self.ranges.append(record_function(part))
            self.ranges[-1].__enter__()

    def leave(self) -> None:
        """Leave the part entered last."""
        if self.ranges:
            self.ranges.pop().__exit__(None, None, None)
        self.count()
        self.within.pop()

    def count(self) -> None:
        """Add the time since the last call to the current part."""
        if not self.tracing:
            self.wait()
        before, self.since = self.since, self.now()
        if self.tracing:
            self.seconds_traced += self.since - before
        else:
            self.seconds[self.within[-1]] += self.since - before

    def trace(self, tracing: bool) -> None:
        """Start or stop tracing."""
        while self.ranges:  # left open by an exception
            self.ranges.pop().__exit__(None, None, None)
        self.count()
        self.tracing = tracing
