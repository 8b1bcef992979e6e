"""Where what a run says goes: to the terminal, and into its train.log."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger("encore")
shown = {"bars": True}


@contextmanager
def bars(allowed: bool) -> Iterator[None]:
    """Whether bars may be drawn: not by several processes on one terminal."""
    before = shown["bars"]
    shown["bars"] = allowed
    try:
        yield
    finally:
        shown["bars"] = before


def draws_bars() -> bool:
    """Whether there is a terminal to draw a bar on, and it is ours."""
    return shown["bars"] and sys.stderr.isatty()


class Terminal(logging.StreamHandler):
    """What is printed; a run goes on when nobody reads it any more, as with `| head`."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Say nothing of a closed pipe."""
        if not isinstance(sys.exc_info()[1], BrokenPipeError):
            super().handleError(record)


def start_logging(file: Path) -> None:
    """Send what the run says to the terminal, and with every epoch to its file."""
    stop_logging()
    log.setLevel(logging.DEBUG)
    log.propagate = False
    terminal, kept = Terminal(sys.stdout), logging.FileHandler(file)
    terminal.setLevel(logging.INFO)
    for handler in (terminal, kept):
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)


def stop_logging() -> None:
    """Close the run's log."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
