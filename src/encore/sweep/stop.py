"""Stopping a sweep as a whole: its runs are asked to save and end, wherever they run."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from encore.errors import EncoreError
from encore.stopping import Stop

FILE = "stop"  # created in the exchange folder when the sweep is to end


class SweepStop(Stop):
    """Listens for signals that ask the sweep to stop, and passes them on to its runs.

    Args:
        exchange: the folder that the runs watch.
        where: what happens to the sweep, and how to continue it.
    """

    def __init__(self, exchange: Path, where: str) -> None:
        super().__init__()
        self.exchange, self.where = exchange, where

    def end(self, where: str | None = None) -> EncoreError:
        """The error that ends the sweep."""
        return super().end(where or self.where)

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Pass the signal on to the runs; a second Ctrl-C does not wait."""
        super().hear(number, frame)
        (self.exchange / FILE).touch()


def asked(exchange: Path) -> bool:
    return (exchange / FILE).exists()


@contextmanager
def listening(exchange: Path) -> Iterator[None]:
    """When the sweep is to end, signal this process to stop."""
    over = threading.Event()

    def listen() -> None:
        while not over.wait(0.5):
            if asked(exchange):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    listener = threading.Thread(target=listen, daemon=True)
    if threading.current_thread() is threading.main_thread():  # in other threads nothing handles signals
        listener.start()
    try:
        yield
    finally:
        over.set()
        if listener.is_alive():
            listener.join()
