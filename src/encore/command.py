"""How every command ends: a mistake gives a message and its exit code."""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from encore.config import places
from encore.errors import CannotWrite, ConfigError, EncoreError, InputError, Interrupted, Preempted
from encore.fast import garbage, imports
from encore.fast.leaving import leave
from encore.files import NotWritten
from encore.terminal import SUBSTITUTED, harmless

# What is wrong with a path that was to be read.
OF_READING = (errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)


def end(main: Callable[[], int | None], trains: bool = False) -> None:
    """Run a command and exit with its code.

    Args:
        main: the command.
        trains: whether it is the training command, where Hydra reads `--config-dir`, too.
    """
    open_streams()
    imports.later()
    garbage.search_less()
    if not trains:  # a run saves first
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(Preempted.code))  # and clean up on the way
    try:
        find_what_is_the_user_s(trains)
        code = main() or 0
        sys.stdout.flush()
    except SystemExit as stop:
        code = wanted(stop)
    except EncoreError as error:
        code = complain(error)
    except KeyboardInterrupt:
        tell("error: interrupted")
        code = Interrupted.code
    except BrokenPipeError:  # whoever read our output, such as `head`, has had enough
        code = 0
    except OSError as error:
        tell(f"error: {error}")
        code = code_of(error)
    drop_unwritten()
    leave(code)
    sys.exit(code)


def tell(words: str) -> None:
    """Say what is wrong on standard error, if anybody reads it."""
    with suppress(OSError):
        print(harmless(words), file=sys.stderr)


def drop_unwritten() -> None:
    """What standard output did not take has been told: Python would try again as it ends, and exit with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def find_what_is_the_user_s(trains: bool) -> None:
    """Apply `--config-dir`, which every command accepts, and make the user's modules importable.

    Raises:
        ConfigError: the folder does not exist, or a name is taken.
    """
    folder, rest = places.without_flag(sys.argv)
    if folder is not None:
        places.put_first(folder)
        if not trains:
            sys.argv = rest
    places.extend_path(trains)


def code_of(error: OSError) -> int:
    """The exit code for what the system refused: a file that was named cannot be read, or something not written."""
    unreadable = error.errno in OF_READING and not isinstance(error, NotWritten)
    return InputError.code if unreadable else CannotWrite.code


def complain(error: EncoreError) -> int:
    """Say what is wrong; an error without words has been told by another rank."""
    if str(error):
        tell(f"error: {error}")
    return error.code


def wanted(stop: SystemExit) -> int:
    """Map a SystemExit to our exit codes: argparse and Hydra use 2 for a bad command line."""
    if isinstance(stop.code, str):
        tell(stop.code)
    return ConfigError.code if stop.code == 2 or isinstance(stop.code, str) else stop.code or 0


def open_streams() -> None:
    """Let standard streams that are closed lead nowhere, and those that are open show what they can.

    The next file to be opened would get the number of a closed one, and a library's message be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest free number
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # as Python has it for a closed one
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (as long as the process)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SUBSTITUTED)


def check_picture(out: Path) -> None:
    """Raise ConfigError if a picture cannot have this suffix."""
    if out.suffix not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"--out {out}: a picture must end in .png, .svg or .pdf")
