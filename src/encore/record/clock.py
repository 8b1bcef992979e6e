"""The seconds that each part of a fit takes."""

import time
from collections.abc import Callable

from torch.autograd.profiler import record_function

# The table's rows, and the trace's ranges. Framework is all that is in no other part: it has no range.
PARTS = ("data", "forward", "backward", "optimiser", "validation", "framework")


class Clock:
    """Seconds of each part, without those of parts within it; while a trace is taken, ranges in it instead.

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
        """What was before is no part."""
        before, self.since = self.since, self.now()
        self.seconds_before = self.since - before

    def enter(self, part: str) -> None:
        """A part begins."""
        self.count()
        self.within.append(part)
        if self.tracing:
            self.ranges.append(record_function(part))
            self.ranges[-1].__enter__()

    def leave(self) -> None:
        """The part that was entered last ends."""
        if self.ranges:
            self.ranges.pop().__exit__(None, None, None)
        self.count()
        self.within.pop()

    def count(self) -> None:
        """Give the time since this was last called to where it was spent."""
        if not self.tracing:
            self.wait()
        before, self.since = self.since, self.now()
        if self.tracing:
            self.seconds_traced += self.since - before
        else:
            self.seconds[self.within[-1]] += self.since - before

    def trace(self, tracing: bool) -> None:
        """Go over to tracing, or back."""
        while self.ranges:  # of a part that an exception left
            self.ranges.pop().__exit__(None, None, None)
        self.count()
        self.tracing = tracing
