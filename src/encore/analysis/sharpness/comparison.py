"""The sharpness of the minima that runs reached, compared between groups."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from encore.analysis.results.findings import Findings
from encore.analysis.results.finished import of_each
from encore.analysis.results.groups import Group, groups, number_of, pairs
from encore.analysis.results.report import differences
from encore.analysis.results.run_table import REPEATED, Table, differing, mixture
from encore.analysis.results.statistics import Summary
from encore.analysis.results.study import notes, shortened
from encore.analysis.results.table_formats import Rows, number
from encore.analysis.sharpness.eigenvalue import Eigenvalue
from encore.analysis.sharpness.minimum import STEPS, Effort, Minimum, at, minimum
from encore.analysis.sharpness.sharpness_figures import around, eigenvalues

# Columns on how accurate an eigenvalue is.
EXACTNESS = ("residual", "products", "converged", "negative")
EIGENVALUE, RISE = "largest eigenvalue", "rise at α = ±0.5"


def sharpness(table: Table, left_out: list[str], by: Sequence[str] | None, effort: Effort) -> Findings:
    """Measure the minima of runs, and compare their groups.

    Args:
        table: the runs.
        left_out: runs that are not among them.
        by: the settings that define a group; None: all that differ.
        effort: for each eigenvalue.

    Raises:
        ConfigError: `by` names no setting.
        InputError: a run cannot be read, or the Hessian of its loss cannot be computed.
    """
    chosen = differing(table) if by is None else list(dict.fromkeys(by))
    grouped(table, chosen, [{EIGENVALUE: 0.0}] * len(table.runs), EIGENVALUE)  # mistakes are reported before the work
    table, found = of_each(table, left_out, lambda run: minimum(run.folder, effort), what="minima")
    folders = [run.folder for run in table.runs]
    values = [numbers(one) | {"steps": run.steps} for one, run in zip(found, table.runs, strict=True)]
    columns = list(dict.fromkeys(name for each in values for name in each))
    by_column = {name: grouped(table, chosen, values, name) for name in columns}
    minima = {str(folder): one for folder, one in zip(folders, found, strict=True)}
    over = " and ".join(REPEATED[name] for name in table.repeats(chosen))
    compared = pairs(by_column[EIGENVALUE], lower=True, over=over)
    names = " · ".join(chosen)
    settings = table.settings[chosen].to_numpy().tolist()
    return Findings(
        name="sharpness",
        title=f"How sharp the loss is where {len(found)} run{'s' if len(found) > 1 else ''} ended",
        rows=rows(chosen, by_column),
        values=[
            ["run", *chosen, "seed", *columns, *EXACTNESS],
            *(
                [run.folder, *which, run.seed, *map(each.get, columns), *known(one.eigenvalue)]
                for run, which, each, one in zip(table.runs, settings, values, found, strict=True)
            ),
        ],
        notes=[*said(minima, over, effort), *notes(table, chosen, by_column[EIGENVALUE], compared), *mixed(table)],
        figures={
            "sharpness": eigenvalues(by_column[EIGENVALUE], minima, names),
            "direction": around(by_column[EIGENVALUE], minima, names),
        },
        arrays=arrays(found),
        runs=folders,
        left_out=left_out,
        compared=differences(compared, EIGENVALUE),
    )


def numbers(one: Minimum) -> dict[str, float]:
    """The measures of a minimum, by name."""
    test = {} if one.test is None else {"test loss": at(one.test, 0)}
    return {EIGENVALUE: one.eigenvalue.value, "training loss": one.loss, **test, RISE: one.rise}


def grouped(table: Table, by: list[str], values: Sequence[dict[str, float]], name: str) -> list[Group]:
    """The runs in groups by one of their values, groups in the order of their settings."""
    runs = [replace(run, metrics=each) for run, each in zip(table.runs, values, strict=True)]
    return sorted(groups(replace(table, runs=runs), by, name), key=lambda group: [*map(in_order, group.shown)])


def in_order(setting: str) -> tuple[bool, float, str]:
    """A sort key: numbers by size, then words."""
    value = number_of(setting)
    return value is None, value or 0.0, setting


def rows(by: list[str], found: dict[str, list[Group]]) -> Rows:
    """One row per group: means and standard deviations."""
    cells = [[spread(group.summary) for group in of_column] for of_column in found.values()]
    return [
        [*(by or ["runs"]), "n", *found],
        *(
            [*(group.shown or [group.label]), str(len(group.found)), *row]
            for group, *row in zip(found[EIGENVALUE], *cells, strict=True)
        ),
    ]


def spread(found: Summary | None) -> str:
    if found is None:
        return "–"
    return number(found.mean) + ("" if found.std is None else f" ± {number(found.std)}")


def known(eigenvalue: Eigenvalue) -> list[Any]:
    return [getattr(eigenvalue, name) for name in EXACTNESS]


def said(minima: dict[str, Minimum], over: str, effort: Effort) -> list[str]:
    """What was measured, and how to read it."""
    found = [
        f"Means ± standard deviations over {over}, at the last weights, of the task's plain loss in evaluation mode: "
        "the largest eigenvalue of the Hessian of the training loss, by power iteration until "
        f"‖Hv − λv‖ ≤ {effort.tolerance:g} ‖Hv‖; and how far the training loss rises in a random filter-normalised "
        "direction (Li et al. 2018), mean of both sides.",
        "Compare eigenvalues where training losses are alike, as that of a cross-entropy falls with the loss; and with "
        "care, as scaled weights that compute the same have another one (Dinh et al. 2017).",
    ]
    if vague := [(folder, one.eigenvalue) for folder, one in minima.items() if not one.eigenvalue.converged]:
        listed = ", ".join(f"{folder} (residual {value.residual:.2g})" for folder, value in vague)
        found.append(
            f"Not converged, and at least what is shown: {listed}. --products={2 * effort.products} runs longer."
        )
    if saddles := [folder for folder, one in minima.items() if one.eigenvalue.negative is not None]:
        found.append(
            f"No minima, as a negative eigenvalue is larger in magnitude than the largest: {', '.join(saddles)}."
        )
    return found


def mixed(table: Table) -> list[str]:
    """The code and data files in which the runs differ."""
    found = shortened(mixture(table))
    return [f"These runs differ in code or data: {', '.join(found)}."] if found else []


def arrays(found: Sequence[Minimum]) -> dict[str, np.ndarray]:
    """The losses in the direction, [runs, steps] in the order of the table's rows, and the steps."""
    test = [one.test for one in found if one.test is not None]
    kept = {"steps": STEPS, "train": np.stack([one.train for one in found])}
    return kept | ({"test": np.stack(test)} if len(test) == len(found) else {})
