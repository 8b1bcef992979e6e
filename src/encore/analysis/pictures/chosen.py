"""Chooses the runs for a picture, without importing torch."""

from collections.abc import Iterable
from pathlib import Path

from encore.analysis.pictures.kinds import default, objection
from encore.analysis.results.altered import altered
from encore.analysis.results.runs import below, unfinished
from encore.errors import InputError
from encore.provenance.trust import recorded_config
from encore.terminal import tell_left_out

MOST = 12  # maximum number of runs in a picture


def choose(given: Iterable[Path], kind: str | None) -> tuple[str, list[Path]]:
    """The kind of picture, and the runs in or below folders that fit it; prints what is left out.

    Args:
        given: run folders, or folders of runs.
        kind: of picture; None: the first run's default.

    Raises:
        InputError: no run can be drawn, or too many.
    """
    folders, left_out = below(given)
    chosen = []
    for folder in folders:
        if problem := unfinished(folder) or altered(folder) or unfit(folder, kind):
            left_out.append(problem)
        else:
            kind = kind or default(recorded_config(folder))
            chosen.append(folder)
    if not chosen:
        raise InputError("nothing to draw: " + "\n".join(left_out))
    tell_left_out(left_out)
    if len(chosen) > MOST:
        raise InputError(f"a picture has room for {MOST} runs, not {len(chosen)}: name the ones to draw")
    assert kind is not None
    return kind, chosen


def unfit(folder: Path, kind: str | None) -> str | None:
    """Why a finished run cannot be drawn as a kind, or at all if None is named; None if it can."""
    try:
        problem = objection(recorded_config(folder), kind)
    except InputError as unreadable:
        return str(unreadable)
    return f"{folder} {problem}" if problem else None
