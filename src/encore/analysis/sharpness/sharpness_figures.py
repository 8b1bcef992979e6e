"""Figures of minima: their sharpness, and the loss around them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from encore.analysis.results.axes import plain, scale, tidy
from encore.analysis.results.groups import Group
from encore.analysis.results.report_figures import CURVES, best, counted
from encore.analysis.sharpness.minimum import STEPS, Minimum

COLOURS = 10  # that matplotlib tells groups apart by
LONG = 40  # characters that fit side by side below an axis

Minima = Mapping[str, Minimum]  # by the folder of their run


def eigenvalues(groups: list[Group], minima: Minima, by: str) -> Figure:
    """The largest eigenvalue of each run: beside those of its group, and against its training loss.

    Args:
        groups: in the order in which they are shown.
        minima: of their runs.
        by: what tells the groups apart.
    """
    drawn = Figure(figsize=(9.6, 4.0), layout="constrained")
    left, right = drawn.subplots(1, 2, sharey=True)
    for place, group in enumerate(groups):
        color = f"C{place % COLOURS}"
        found = [minima[folder].eigenvalue.value for folder in group.folders]
        left.plot([place] * len(found), found, "o", color=color, alpha=0.5, markersize=5)
        left.plot(place, np.mean(found), "_", color=color, markersize=26, markeredgewidth=2)
        losses = [minima[folder].loss for folder in group.folders]
        right.plot(losses, found, "o", color=color, alpha=0.6, markersize=5, label=plain(group.label))
    names = [plain(group.label) for group in groups]
    tilted = {"rotation": 30, "ha": "right"} if sum(map(len, names)) > LONG else {}
    left.set_xticks(range(len(names)), names, **tilted)
    left.set(xlabel=plain(by), ylabel="largest eigenvalue of the Hessian", xlim=(-0.6, len(names) - 0.4))
    right.set(xlabel="training loss")
    if len(groups) <= COLOURS:
        right.legend(frameon=False, fontsize="small", title=plain(by), title_fontsize="small")
    left.set_yscale(scale(one.eigenvalue.value for one in minima.values()))
    right.set_xscale(scale(one.loss for one in minima.values()))
    tidy(left)
    tidy(right)
    return drawn


def around(groups: list[Group], minima: Minima, by: str) -> Figure:
    """The loss in a random direction: means over a group's runs, with bands from minimum to maximum.

    Args:
        groups: the flattest are shown if there are many.
        minima: of their runs.
        by: what tells the groups apart.
    """
    shown = best(groups, CURVES, lower=True)
    lines = {
        "training loss": [[minima[folder].train for folder in group.folders] for group in shown],
        "test loss": [[one for folder in group.folders if (one := minima[folder].test) is not None] for group in shown],
    }
    panels = {name: found for name, found in lines.items() if any(found)}
    drawn = Figure(figsize=(0.6 + 4.5 * len(panels), 4.0), layout="constrained")
    widths = np.linspace(2.8, 1.0, len(shown))  # keeps a line visible below others that overlap it
    for axes, (name, found) in zip(drawn.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for group, runs, width in zip(shown, found, widths, strict=True):
            if runs:
                color = f"C{groups.index(group) % COLOURS}"
                axes.plot(STEPS, np.mean(runs, 0), color=color, linewidth=width, label=plain(group.label))
                axes.fill_between(STEPS, np.min(runs, 0), np.max(runs, 0), color=color, alpha=0.15, linewidth=0)
        axes.set(xlabel=counted("step α along a filter-normalised direction", shown, groups), ylabel=name)
        axes.set_xticks([-1, -0.5, 0, 0.5, 1])
        axes.set_yscale(scale(loss for runs in found for one in runs for loss in one))
        axes.legend(frameon=False, fontsize="small", title=plain(by), title_fontsize="small")
        tidy(axes)
    return drawn
