"""A clock for what this process computes."""

import time

import torch

from benchmarks.seconds import Seconds


class Clock:
    """Measures from `start` to `read`.

    Args:
        cuda: record events on the GPU, too.
    """

    def __init__(self, cuda: bool) -> None:
        self.cuda = cuda
        self.start()

    def start(self) -> None:
        """Begin anew, when the GPU has done what it was given before."""
        if self.cuda:
            torch.cuda.synchronize()
            self.event = torch.cuda.Event(enable_timing=True)
            self.event.record()
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def read(self) -> Seconds:
        """The seconds since the start."""
        device = None
        if self.cuda:
            end = torch.cuda.Event(enable_timing=True)
            end.record()
            end.synchronize()
            device = self.event.elapsed_time(end) / 1000
        return Seconds(time.process_time() - self.cpu, time.perf_counter() - self.wall, device)
