"""Selects the finished runs among those given to a command."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from encore.analysis.results.altered import altered
from encore.analysis.results.run_table import ABSENT, Table, mixture, ordered, read
from encore.analysis.results.runs import folders_of, unfinished
from encore.errors import InputError
from encore.record import seal
from encore.record.result import Result
from encore.terminal import counted, tell_left_out


def finished(given: Iterable[Path], least: int = 2, alike: bool = False) -> tuple[Table, list[str]]:
    """Read the finished runs in or below folders, each once, and print what is left out.

    Args:
        given: run folders, or folders of runs.
        least: the minimum number.
        alike: keep runs with the same weights as another; in an ensemble they would count twice.

    Returns:
        The runs, and what was left out and why.

    Raises:
        InputError: fewer than `least` are left.
    """
    found, left_out = [], []
    for path in given:
        folders = folders_of(path)
        if not folders:
            left_out.append(f"there are no runs below {path}")
        for folder in folders:
            if problem := unfinished(folder) or altered(folder):
                left_out.append(problem)
            else:
                found.append(folder)
    each = dict.fromkeys(found)
    table, unreadable = read(each if alike else different(each, left_out))
    left_out += unreadable
    table = ordered(table)
    tell_left_out(left_out)
    if said := seal.unsealed(run.folder for run in table.runs):
        print(said, file=sys.stderr)
    if len(table.runs) < least:
        count = f"{len(table.runs)} finished run{'' if len(table.runs) == 1 else 's'}"
        raise InputError(f"too few: {count}, but at least {least} needed; encore runs lists the runs")
    return table, left_out


Found = TypeVar("Found")


def of_each(
    table: Table, left_out: list[str], find: Callable[[Result], Found], least: int = 1, what: str = "predicting"
) -> tuple[Table, list[Found]]:
    """What is found of each run; one whose record, checkpoint or data cannot be used is left out, and named.

    Args:
        table: the runs.
        left_out: those that are left out already; more are added.
        find: looks at a run.
        least: how many runs it takes.
        what: that is done, as a bar says.

    Returns:
        The runs of which something was found, and that.

    Raises:
        InputError: fewer than `least` are left.
    """
    found, places, problems = [], [], []
    for place, run in enumerate(counted(table.runs, len(table.runs), what, " runs")):
        try:
            found.append(find(run))
            places.append(place)
        except InputError as problem:
            problems.append(str(problem))
    if len(found) < least:
        raise InputError("\n".join(dict.fromkeys(problems)))
    tell_left_out(problems)
    left_out.extend(problems)
    return (table.only(places) if problems else table), found


def different(folders: Iterable[Path], left_out: list[str]) -> Iterator[Path]:
    """The runs with distinct weights: rerunning with code that changed no bit does not make another run."""
    known: dict[str, Path] = {}
    for folder in folders:
        weights = Result.read(folder).weights_sha256
        if weights is not None and (same := known.setdefault(weights, folder)) != folder:
            left_out.append(f"{folder} has the same weights as {same}")
        else:
            yield folder


def differences(table: Table, by: Sequence[str] = ()) -> list[str]:
    """How the combined runs differ, for a reader.

    Args:
        table: the runs.
        by: settings that are mentioned elsewhere.
    """
    settings = dict.fromkeys(part(table, name) for name in table.different() if name not in by)
    said = [f"The runs differ in {', '.join(settings)}."] if settings else []
    if code := [name.removeprefix("code ") for name in mixture(table) if name.startswith("code ")]:
        said.append(f"They ran with different code: {', '.join(code)}.")
    return said


def part(table: Table, setting: str) -> str:
    """A setting; or the part it belongs to, such as a callback, if not every run has that part."""
    absent = (table.settings[setting] == ABSENT).any()
    return setting.rpartition(".")[0] if absent and setting.count(".") > 1 else setting
