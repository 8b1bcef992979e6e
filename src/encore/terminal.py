"""Output of a run: to the terminal, and into its train.log."""

import codecs
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO, TypeVar

T = TypeVar("T")
log = logging.getLogger("encore")
shown = {"bars": True}
PATIENCE = 2.0  # seconds after which a bar is drawn

LONGEST = 5000  # characters of a line; what a record holds may be a stranger's


def harmless(text: object) -> str:
    """Text without what steers a terminal or turns the direction of writing around: escaped, and lines cut short.

    Lines stay lines.
    """
    return "\n".join(
        line if line.isprintable() and len(line) <= LONGEST else shortened(line) for line in str(text).split("\n")
    )


def shortened(line: str) -> str:
    """A line with its control characters escaped, and no longer than a terminal can show."""
    cut = line[:LONGEST] + ("…" if len(line) > LONGEST else "")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in cut)


def tell_left_out(problems: Iterable[str]) -> None:
    """Say which runs are left out, a line each."""
    for problem in problems:
        print(f"left out: {harmless(problem)}", file=sys.stderr)


@contextmanager
def bars(allowed: bool) -> Iterator[None]:
    """Set whether progress bars may be drawn: not by several processes on one terminal."""
    before = shown["bars"]
    shown["bars"] = allowed
    try:
        yield
    finally:
        shown["bars"] = before


def draws_bars() -> bool:
    """Whether there is a terminal to draw a bar on, and it is ours."""
    return shown["bars"] and sys.stderr is not None and sys.stderr.isatty()


# What stands for a letter that an encoding lacks; a question mark stands for any other.
INSTEAD = {
    "–": "-", "—": "-", "−": "-", "‑": "-", "…": "...", "×": "x", "·": "*", "±": "+/-", "→": "->", "µ": "u", "μ": "u",
    "≈": "~", "≤": "<=", "≥": ">=", "‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " ", "█": "#",
}  # fmt: skip
SUBSTITUTED = "encore.substituted"


def substituted(problem: UnicodeError) -> tuple[str, int]:
    """How letters are written that an encoding lacks; see codecs.register_error."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    letters = problem.object[problem.start : problem.end]
    return "".join(INSTEAD.get(letter, "?") for letter in letters), problem.end


codecs.register_error(SUBSTITUTED, substituted)


def printable(text: str, stream: TextIO | None) -> str:
    """A text with the letters that a stream's encoding has."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, SUBSTITUTED).decode(encoding)


def say(text: str) -> None:
    """Print a line, whatever the terminal can show, and whether or not anybody reads it."""
    with suppress(OSError):
        print(printable(text, sys.stdout), flush=True)


def counted(items: Iterable[T], number: int, what: str, unit: str = "") -> Iterator[T]:
    """Items as they come; with a bar, where there is a terminal and they take longer than `PATIENCE`.

    Args:
        items: what is counted.
        number: how many there are.
        what: is done with them.
        unit: of an item, such as ` runs`.
    """
    if not draws_bars():
        yield from items
        return
    begun, bar = time.monotonic(), None
    try:
        for done, item in enumerate(items):
            if bar is not None:
                bar.update()
            elif time.monotonic() - begun > PATIENCE:
                from tqdm import tqdm  # not for what is quick

                bar = tqdm(total=number, initial=done, desc=what, unit=unit, leave=False)
            yield item
    finally:
        if bar is not None:
            bar.close()


class Terminal(logging.StreamHandler):
    """What is printed; a run goes on when nobody reads it any more, as with `| head`, or a full disk takes no more."""

    def format(self, record: logging.LogRecord) -> str:
        """A record's text, as far as the terminal can show it."""
        return printable(super().format(record), self.stream)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Say nothing of a stream that takes no more."""
        if not isinstance(sys.exc_info()[1], OSError) and not getattr(self.stream, "closed", self.stream is None):
            super().handleError(record)


class Kept(logging.FileHandler):
    """What is kept in train.log, as UTF-8 wherever it is written."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, encoding="utf-8", errors="backslashreplace")
        self.file = file

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """What cannot be written ends the run, as with every file of its folder; its end has to be told all the same.

        Raises:
            OSError: the first time.
        """
        problem = sys.exc_info()[1]
        if not isinstance(problem, OSError):
            super().handleError(record)
            return
        log.removeHandler(self)
        with suppress(OSError):
            self.close()
        raise OSError(problem.errno, problem.strerror, str(self.file)) from problem


def start_logging(file: Path) -> None:
    """Log to the terminal and, including every epoch's line, to the file."""
    stop_logging()
    log.setLevel(logging.DEBUG)
    log.propagate = False
    terminal, kept = Terminal(sys.stdout), Kept(file)
    terminal.setLevel(logging.INFO)
    for handler in (terminal, kept):
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)


@contextmanager
def logging_set_aside() -> Iterator[None]:
    """Leave a run's log as it is while another run has its own."""
    held = list(log.handlers)
    log.handlers.clear()
    try:
        yield
    finally:
        stop_logging()
        log.handlers.extend(held)


def stop_logging() -> None:
    """Close the run's log."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
