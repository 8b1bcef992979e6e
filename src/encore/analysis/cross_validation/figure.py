"""The figure of a cross-validation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation, Transform

from encore.analysis.cross_validation.scores import Score
from encore.analysis.results.axes import logarithmic, plain, tidy
from encore.analysis.results.report_figures import positions

LINES = 8  # more cannot be told apart
APART = 5 / 72  # inches between two lines at the same value
STEEP = 10  # from so many times the least value on, the largest would hide how the others differ
CHOSEN, OUT = "black", "C3"  # colours of the chosen combination and of those that are out


def against(scores: Sequence[Score], ranked: Sequence[Score], metric: str) -> Figure:
    """The metric against the setting that has the most values: single folds, their mean and its 95 % interval.

    Each combination of the other settings has its own line.

    Args:
        scores: of all combinations, in order.
        ranked: those that are not out, the chosen one first.
        metric: its name.
    """
    settings = list(ranked[0].candidate.values)
    along = max(settings, key=lambda name: len({each.candidate.values[name] for each in scores}))
    drawn = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = drawn.subplots()
    place = places(axes, [each.candidate.values[along] for each in scores])
    fit(axes, ranked)
    lines = list(dict.fromkeys(others(each, along) for each in ranked))
    for number, name in enumerate(lines[:LINES]):
        beside = APART * (number - (min(len(lines), LINES) - 1) / 2)
        line = [each for each in scores if others(each, along) == name and each.lost is None]
        draw(axes, [place[each.candidate.values[along]] for each in line], line, f"C{number}", name, beside)
        if ranked[0] in line:
            mark(axes, place[ranked[0].candidate.values[along]], ranked[0], beside)
    if out := [place[each.candidate.values[along]] for each in scores if each.lost is not None]:
        top = axes.get_xaxis_transform()
        axes.plot(out, [0.96] * len(out), "x", color=OUT, markersize=8, transform=top, label="out: a run diverged")
    axes.set(xlabel=plain(along), ylabel=metric + (f"; the best {LINES} lines of {len(lines)}" * (len(lines) > LINES)))
    drawn.legend(frameon=False, fontsize="small", loc="outside upper center", ncols=3)
    tidy(axes)
    return drawn


def places(axes: Axes, values: list[str]) -> dict[str, float]:
    """Each value's position on the axis, with a tick."""
    place = dict(zip(values, positions(axes, values), strict=True))
    axes.set_xticks(list(place.values()), [plain(value) for value in place])
    axes.minorticks_off()
    return place


def fit(axes: Axes, found: Sequence[Score]) -> None:
    """Use a logarithmic axis if values span orders of magnitude; an interval that reaches below 0 is open there."""
    values = [value for each in found for value in each.values]
    if min(values) <= 0 or max(values) < STEEP * min(values):
        return
    ends = [end for each in found for end in (each.summary.low, each.summary.high) if end is not None]
    least = max(min(values) / 3, min([end for end in ends if end > 0] + values))
    logarithmic(axes)
    axes.set_ylim(least / 1.2, max(ends + values) * 1.4)


def others(score: Score, along: str) -> str:
    """A combination without one of its settings."""
    return " ".join(f"{name}={value}" for name, value in score.candidate.values.items() if name != along)


def draw(axes: Axes, x: list[float], line: Sequence[Score], color: str, name: str, beside: float) -> None:
    """Folds, means and intervals of one line, so many inches beside their place."""
    found = [each.summary for each in line]
    folds = np.array([each.values for each in found])
    means, low, high = (np.array([getattr(each, part) for each in found], float) for part in ("mean", "low", "high"))
    label, there = plain(name) if name else "mean and its 95 % interval", moved(axes, beside)
    ends = [means - low, high - means]
    axes.errorbar(x, means, ends, color=color, elinewidth=1, capsize=3, label=label, transform=there)
    dots = axes.plot(np.repeat(x, folds.shape[1]), folds.ravel(), "o", color=color, zorder=3)[0]
    dots.set(transform=there, markerfacecolor="white", markersize=4, label=None if name else "one fold")


def mark(axes: Axes, x: float, best: Score, beside: float) -> None:
    label = plain(f"chosen: {best.candidate.label}")
    spot = axes.plot([x], [best.summary.mean], "D", color=CHOSEN, zorder=4, markersize=7, label=label)[0]
    spot.set_transform(moved(axes, beside))


def moved(axes: Axes, inches: float) -> Transform:
    """The places of data, moved to the right."""
    return axes.transData + ScaledTranslation(inches, 0, axes.figure.dpi_scale_trans)
