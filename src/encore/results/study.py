"""From run folders to a report on them."""

import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from encore.directions import lower_is_better
from encore.errors import InputError
from encore.results.figures import intervals, learning_curves, slices
from encore.results.groups import ALL_PAIRS, Group, Pair, groups, pairs
from encore.results.report import Report
from encore.results.runs import below
from encore.results.table import REPEATED, Table, beside, differing, mixture, read

MANY = 8  # groups from which on the best come first
SHOWN = 10  # files that are named where runs are of different ones


def report_on(
    given: Iterable[Path], metric: str, by: Sequence[str] | None = None, mixed: bool = False, lower: bool = False
) -> Report:
    """Report on runs, and say which folders were left out.

    Args:
        given: run folders, or folders of runs.
        metric: of the groups' values.
        by: the settings that make a group; all that differs without.
        mixed: also on runs of different code or data.
        lower: the metric is better when it is lower; that of losses is known.

    Raises:
        InputError: nothing is left to report on, or runs are mixed.
        ConfigError: `by` names no setting.
    """
    folders, empty = below(given)
    table, left_out = read(tqdm(folders, "reading", unit=" runs", leave=False, disable=None))
    left_out = empty + left_out
    for problem in left_out:
        print(f"left out: {problem}", file=sys.stderr)
    if not table.runs:
        raise InputError("none of these is a run's folder; python scripts/runs.py lists the runs")
    if (different := mixture(table)) and not mixed:
        raise InputError(
            "these runs are not of the same code and data; --mixed reports on them all the same\n"
            + "\n".join(f"  {each}" for each in shortened(different))
        )
    chosen = differing(table) if by is None else list(dict.fromkeys(by))
    found = groups(table, chosen, metric)
    lower = lower or lower_is_better(metric)
    if len(found) > MANY:
        found.sort(key=lambda group: rank(group, lower))
    over = " and ".join(REPEATED[name] for name in table.repeats(chosen))
    compared = pairs(found, lower, over)
    said = notes(table, chosen, found, compared)
    if set(table.repeats(chosen)) - {"seed"}:
        said.append(
            "Folds and resamples share their training examples: intervals are too narrow and p too small for new data."
        )
    if different:
        said.append(f"These runs are not of the same code and data: {', '.join(shortened(different))}.")
    figures = {
        "slices": slices(found, metric, lower),
        "intervals": intervals(found, metric, lower),
        "curves": learning_curves(found, metric, lower),
    }
    if figures["slices"] is not None and not any(len(group.found) > 1 for group in found):
        del figures["intervals"]  # single values have none, and are seen setting by setting
    lost = [each for group in found for each in group.lost] + left_out
    drawn = {name: figure for name, figure in figures.items() if figure is not None}
    return Report(metric, chosen, found, compared, said, lost, drawn, over)


def rank(group: Group, lower: bool) -> float:
    """By which the best come first, and last those without a value."""
    if not group.found:
        return math.inf
    return group.mean() if lower else -group.mean()


def shortened(names: list[str]) -> list[str]:
    """The first of many names."""
    return names if len(names) <= SHOWN else [*names[:SHOWN], f"… {len(names) - SHOWN} more"]


def notes(table: Table, by: list[str], found: list[Group], compared: list[Pair]) -> list[str]:
    """What a reader would otherwise take for granted."""
    between, within = beside(table, by)
    said = []
    if between:
        said.append(f"Between the groups these differ, too: {', '.join(between)}.")
    if within and any(len(values) > 1 for group in found for values in group.found.values()):
        said.append(f"A value is the mean over runs that differ in {', '.join(within)}.")
    elif within:
        said.append(f"Within a group these differ: {', '.join(within)}.")
    if len([group for group in found if group.found]) > ALL_PAIRS and compared:
        best = compared[0].a.label
        said.append(f"Compared with {best} alone, which has the best mean of these same values: take its p with care.")
    return said
