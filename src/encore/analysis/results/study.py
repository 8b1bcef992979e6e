"""From run folders to a report on them."""

import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from encore.analysis.results.groups import ALL_PAIRS, Group, Pair, groups, pairs
from encore.analysis.results.report import Report
from encore.analysis.results.report_figures import intervals, learning_curves, slices
from encore.analysis.results.run_table import REPEATED, Table, beside, differing, mixture, read
from encore.analysis.results.runs import below
from encore.config.directions import lower_is_better
from encore.errors import InputError
from encore.record import seal
from encore.terminal import counted, tell_left_out

MANY = 8  # from this many groups on, they are sorted best first
SHOWN = 10  # maximum number of differing files to name


def report_on(
    given: Iterable[Path], metric: str, by: Sequence[str] | None = None, mixed: bool = False, lower: bool = False
) -> Report:
    """Report on runs, and say which folders were left out.

    Args:
        given: run folders, or folders of runs.
        metric: of the groups' values.
        by: the settings that define a group; None: all that differ.
        mixed: accept runs with different code or data.
        lower: whether lower values are better; always so for losses.

    Raises:
        InputError: nothing is left to report on, or runs are mixed.
        ConfigError: `by` names no setting.
    """
    folders, empty = below(given)
    table, left_out = read(counted(folders, len(folders), "reading", " runs"))
    left_out = empty + left_out
    tell_left_out(left_out)
    if not table.runs:
        raise InputError("none of these is a run folder; encore runs lists the runs")
    if (different := mixture(table)) and not mixed:
        raise InputError(
            "these runs differ in code or data; --mixed reports on them anyway\n"
            + "\n".join(f"  {each}" for each in shortened(different))
        )
    if old := seal.unsealed(run.folder for run in table.runs if run.status in seal.OVER):
        print(old, file=sys.stderr)
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
        said.append(f"These runs differ in code or data: {', '.join(shortened(different))}.")
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
    """A sort key: best first, groups without a value last."""
    if not group.found:
        return math.inf
    return group.mean() if lower else -group.mean()


def shortened(names: list[str]) -> list[str]:
    return names if len(names) <= SHOWN else [*names[:SHOWN], f"… {len(names) - SHOWN} more"]


def notes(table: Table, by: list[str], found: list[Group], compared: list[Pair]) -> list[str]:
    """Caveats that a reader needs to know."""
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
