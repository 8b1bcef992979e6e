"""A picture of what runs have learned."""

import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from tqdm import tqdm

from encore.errors import InputError
from encore.pictures import fit, likelihood, mistakes, regions
from encore.pictures.learned import learned
from encore.record.files import replace
from encore.results.axes import plain
from encore.results.report import drawn
from encore.results.table import Table, differing, read

WIDTH, LONG = 46, 24  # letters of a title's line, and of a setting's value
# What is asked of each run, and how the answers are drawn.
DRAWN: dict[str, tuple[Callable[..., Any], Callable[[list[Any]], Figure]]] = {
    "fit": (fit.measure, fit.figure),
    "likelihood": (likelihood.measure, likelihood.figure),
    "regions": (regions.measure, regions.figure),
    "mistakes": (mistakes.measure, mistakes.figure),
}


def picture(folders: Iterable[Path], kind: str, **wanted: Any) -> Figure:
    """Draw finished runs, each once.

    Args:
        folders: of the runs, all of which the kind fits.
        kind: one of `DRAWN`.
        wanted: settings of the kind's own, as its `measure` has them.

    Raises:
        InputError: a record, a checkpoint or the data cannot be used.
    """
    measure, figure = DRAWN[kind]
    table, left_out = read(folders)
    if not table.runs:
        raise InputError("nothing to draw: " + "\n".join(left_out))
    for each in left_out:
        print(f"left out: {each}", file=sys.stderr)
    found = []
    for run, title in tqdm(list(zip(table.runs, titles(table), strict=True)), kind, leave=False, disable=None):
        with learned(run, title) as it:
            found.append(measure(it, **wanted))
    return figure(found)


def titles(table: Table) -> list[str]:
    """What each run is, with the settings by which it differs from the others."""
    repeats = [name for name in table.repeats() if name in table.different() and name != "seed"]
    names = [name for name in differing(table) if not name.endswith(".name")] + repeats
    found = []
    for run, (_, settings) in zip(table.runs, table.settings.iterrows(), strict=True):
        more = [f"{name}={shortened(settings[name])}" for name in names]
        found.append(plain("\n".join([f"{run.name}, seed {run.seed}", *textwrap.wrap(", ".join(more), WIDTH)])))
    return found


def shortened(value: str) -> str:
    """A setting's value; of a long one, such as a path, the end."""
    return value if len(value) <= LONG else f"…{value[-LONG:]}"


def save(figure: Figure, out: Path) -> None:
    """Write a picture in one step; its ending says which kind of file."""
    replace(out, drawn(figure, out.suffix[1:]))
