"""The runs that a picture is of, found without importing torch."""

import sys
from collections.abc import Iterable
from pathlib import Path

from encore.errors import InputError
from encore.pictures.kinds import default, objection
from encore.results.runs import below, unfinished
from encore.trust import recorded_config

MOST = 12  # runs that a picture has room for


def choose(given: Iterable[Path], kind: str | None) -> tuple[str, list[Path]]:
    """The runs among and below folders that can be drawn, and as what; what is left out is said.

    Args:
        given: run folders, or folders of runs.
        kind: of picture; the first run's own where None.

    Raises:
        InputError: none can be drawn, or more than a picture has room for.
    """
    folders, left_out = below(given)
    chosen = []
    for folder in folders:
        if problem := unfinished(folder) or unfit(folder, kind):
            left_out.append(problem)
        else:
            kind = kind or default(recorded_config(folder))
            chosen.append(folder)
    if not chosen:
        raise InputError("nothing to draw: " + "\n".join(left_out))
    for each in left_out:
        print(f"left out: {each}", file=sys.stderr)
    if len(chosen) > MOST:
        raise InputError(f"a picture has room for {MOST} runs, not for {len(chosen)}: name those to be drawn")
    assert kind is not None
    return kind, chosen


def unfit(folder: Path, kind: str | None) -> str | None:
    """Why a finished run cannot be drawn so, or at all where no kind is named; or None."""
    try:
        problem = objection(recorded_config(folder), kind)
    except InputError as unreadable:
        return str(unreadable)
    return f"{folder} {problem}" if problem else None
