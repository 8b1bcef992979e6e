"""What the commands share: a mistake ends with a message and its exit code."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

from encore.errors import CannotWrite, ConfigError, EncoreError, Interrupted
from encore.help import CONFIGS


def end(main: Callable[[], int | None]) -> None:
    """Run a command and exit with its code."""
    sys.path.append(str(CONFIGS.parent))  # where train.py finds modules of the user's own
    say_what_can_be_said()
    try:
        code = main() or 0
    except SystemExit as stop:
        code = wanted(stop)
    except EncoreError as error:
        code = complain(error)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        code = Interrupted.code
    except BrokenPipeError:  # whoever read our output, such as `head`, has had enough
        sys.stderr.close()
        code = 0
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        code = CannotWrite.code
    sys.exit(code)


def complain(error: EncoreError) -> int:
    """Say what is wrong; returns the exit code."""
    print(f"error: {error}", file=sys.stderr)
    return error.code


def wanted(stop: SystemExit) -> int:
    """The exit code of one who exits: argparse and Hydra say 2 of a bad command line."""
    if isinstance(stop.code, str):
        print(stop.code, file=sys.stderr)
    return ConfigError.code if stop.code == 2 or isinstance(stop.code, str) else stop.code or 0


def say_what_can_be_said() -> None:
    """Print a question mark for a letter that the terminal has not, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def check_picture(out: Path) -> None:
    """Raise ConfigError if a picture cannot be written so."""
    if out.suffix not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"--out {out}: the picture's ending is .png, .svg or .pdf")
