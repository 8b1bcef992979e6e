"""A picture of what runs have learned."""

import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from encore.analysis.pictures import fit, likelihood_curve, mistakes, regions
from encore.analysis.pictures.learned import Weights, learned
from encore.analysis.results.axes import plain
from encore.analysis.results.finished import of_each
from encore.analysis.results.run_table import Table, differing, ordered, read
from encore.errors import InputError
from encore.record.result import Result
from encore.terminal import tell_left_out

WIDTH, LONG = 46, 24  # maximum characters of a title's line, and of a setting's value
# How each run is measured, and how the results are drawn.
DRAWN: dict[str, tuple[Callable[..., Any], Callable[[list[Any]], Figure]]] = {
    "fit": (fit.measure, fit.figure),
    "likelihood": (likelihood_curve.measure, likelihood_curve.figure),
    "regions": (regions.measure, regions.figure),
    "mistakes": (mistakes.measure, mistakes.figure),
}


def picture(folders: Iterable[Path], kind: str, weights: Weights = "best", **wanted: Any) -> Figure:
    """Draw finished runs, each once.

    Args:
        folders: the runs' folders; the kind must fit all of them.
        kind: one of `DRAWN`.
        weights: the runs' best weights, or their last.
        wanted: further arguments of the kind's `measure`.

    Raises:
        InputError: a record, a checkpoint or the data cannot be used.
    """
    measure, figure = DRAWN[kind]
    table, left_out = read(folders)
    if not table.runs:
        raise InputError("nothing to draw: " + "\n".join(left_out))
    table = ordered(table)
    tell_left_out(left_out)
    of = {run.folder: title for run, title in zip(table.runs, titles(table), strict=True)}

    def measured(run: Result) -> Any:
        with learned(run, of[run.folder], weights) as it:
            return measure(it, **wanted)

    _, found = of_each(table, [], measured, what=kind)
    return figure(found)


def titles(table: Table) -> list[str]:
    """A title for each run, with the settings in which it differs from the others."""
    repeats = [name for name in table.repeats() if name in table.different() and name != "seed"]
    names = [name for name in differing(table) if not name.endswith(".name")] + repeats
    found = []
    for run, (_, settings) in zip(table.runs, table.settings.iterrows(), strict=True):
        more = [f"{name}={shortened(settings[name])}" for name in names]
        found.append(plain("\n".join([f"{run.name}, seed {run.seed}", *textwrap.wrap(", ".join(more), WIDTH)])))
    return found


def shortened(value: str) -> str:
    return value if len(value) <= LONG else f"…{value[-LONG:]}"
