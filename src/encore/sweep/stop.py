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

FILE = "stop"  # in the folder of exchange, when the sweep is to end


class SweepStop(Stop):
    """Listens for signals that ask the sweep to stop, and passes them on to its runs.

    Args:
        exchange: the folder that the runs look at.
        where: what becomes of the sweep, and where it goes on.
    """

    def __init__(self, exchange: Path, where: str) -> None:
        super().__init__()
        self.exchange, self.where = exchange, where

    def end(self, where: str | None = None) -> EncoreError:
        """The error that ends the sweep."""
        return super().end(where or self.where)

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Pass it on, if there is something to wait for; a second Ctrl-C does not wait."""
        super().hear(number, frame)
        (self.exchange / FILE).touch()


def asked(exchange: Path) -> bool:
    """Whether the sweep is to end."""
    return (exchange / FILE).exists()


@contextmanager
def listening(exchange: Path) -> Iterator[None]:
    """Stop what runs here, by a signal, when the sweep is to end."""
    over = threading.Event()

    def listen() -> None:
        while not over.wait(0.5):
            if asked(exchange):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    listener = threading.Thread(target=listen, daemon=True)
    if threading.current_thread() is threading.main_thread():  # elsewhere nothing here hears signals
        listener.start()
    try:
        yield
    finally:
        over.set()
        if listener.is_alive():
            listener.join()
