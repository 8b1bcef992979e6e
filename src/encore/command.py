"""What the commands in scripts/ share: a mistake ends with a message and its exit code."""

import sys
from collections.abc import Callable

from encore.errors import CannotWrite, EncoreError
from encore.help import CONFIGS


def end(main: Callable[[], int | None]) -> None:
    """Run a command and exit with its code."""
    sys.path.append(str(CONFIGS.parent))  # where train.py finds modules of the user's own
    try:
        sys.exit(main() or 0)
    except EncoreError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.code)
    except BrokenPipeError:  # whoever read our output, such as `head`, has had enough
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(CannotWrite.code)
