"""The figures of a report."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from encore.analysis.results.axes import SPLITS, beside, legend, plain, scale, tidy
from encore.analysis.results.groups import Group, cut, short_of
from encore.analysis.results.metrics import curve
from encore.config.directions import lower_is_better
from encore.errors import InputError

# Maximum number of groups for a readable figure; if there are more, the best are shown.
INTERVALS, CURVES = 30, 10
TOGETHER = 4  # up to this many groups, training and validation share a chart
TICK = 16  # characters of a label below an axis
SLICES = 8  # from this many groups on, each setting gets its own panel
# A group's epochs, and a metric there, [runs, epochs]; by its colour.
Bands = dict[str, tuple[list[int], np.ndarray]]


def best(groups: list[Group], count: int, lower: bool) -> list[Group]:
    """The groups with a value; if more than `count`, those with the best means, best first."""
    found = [group for group in groups if group.found]
    if len(found) <= count:
        return found
    return sorted(found, key=Group.mean, reverse=not lower)[:count]


def counted(text: str, shown: list[Group], groups: list[Group]) -> str:
    """An axis label that says if groups are left out."""
    found = sum(bool(group.found) for group in groups)
    return text if len(shown) == found else f"{text}; the best {len(shown)} of {found}"


def intervals(groups: list[Group], metric: str, lower: bool) -> Figure:
    """Groups' values, their means and the means' 95 % intervals."""
    shown = best(groups, INTERVALS, lower)
    labels = [beside(group.label) for group in shown]
    wide = max(len(line) for label in labels for line in label.splitlines())
    drawn = Figure(figsize=(max(6.4, 4.6 + 0.09 * wide), 1.2 + 0.45 * len(shown)), layout="constrained")
    axes = drawn.subplots()
    for place, group in enumerate(shown):
        found = group.summary
        assert found is not None
        color = f"C{place % 10}"
        axes.plot(found.values, [place] * found.n, "o", color=color, alpha=0.35, markersize=5)
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], color=color, linewidth=2)
        axes.plot(found.mean, place, "D", color=color, markersize=6)
    axes.set_yticks(range(len(shown)), labels)
    repeated = any(len(group.found) > 1 for group in shown)
    label = f"{metric}: values, mean and its 95 % interval" if repeated else metric
    axes.set(xlabel=counted(label, shown, groups), ylim=(len(shown) - 0.5, -0.5))
    if lower_is_better(metric):
        axes.set_xscale(scale(place for line in axes.lines for place in np.ravel(line.get_xdata())))
    tidy(axes)
    return drawn


def slices(groups: list[Group], metric: str, lower: bool) -> Figure | None:
    """Each setting's values against the groups' means, which suits a search; None for few groups."""
    found = [group for group in groups if group.found]
    if len(found) < SLICES or not found[0].settings:
        return None
    names = list(found[0].settings)
    rows = -(-len(names) // 3)
    columns = min(3, len(names))
    drawn = Figure(figsize=(1.0 + 3.4 * columns, 3.0 * rows), layout="constrained")
    means = [group.mean() for group in found]
    top = best(found, 1, lower)[0]
    panels = drawn.subplots(rows, columns, squeeze=False, sharey=True).flat
    for name, axes in zip(names, panels, strict=False):
        places = positions(axes, [group.settings[name] for group in found])
        axes.scatter(places, means, s=18, alpha=0.5, color="C0", linewidth=0)
        axes.scatter([places[found.index(top)]], [top.mean()], s=60, marker="D", color="C1", label="best")
        axes.set_xlabel(name)
        tidy(axes)
    for axes in panels:  # of the last row, those that are left
        axes.set_axis_off()
    drawn.supylabel(metric, fontsize="medium")
    drawn.axes[0].legend(frameon=False, fontsize="small")
    return drawn


def positions(axes: Axes, values: list[str]) -> list[float]:
    """A setting's positions on an axis: numbers by value, others side by side."""
    try:
        places = [float(value) for value in values]
    except ValueError:
        names = sorted(set(values), key=lambda name: ([int(digits) for digits in re.findall(r"\d+", name)], name))
        short = short_of(names)
        shown = [plain(cut(short.get(name) or name, TICK)) for name in names]
        upright = max(map(len, shown)) > TICK // 2
        axes.set_xticks(range(len(names)), shown, rotation=90 if upright else 30, ha="center" if upright else "right")
        return [names.index(value) for value in values]
    low, middle, high = np.quantile(places, [0, 0.5, 1])
    if low > 0 and high / low >= 10:  # the scale on which the median is nearer to the middle
        linear, log = (middle - low) / (high - low), np.log(middle / low) / np.log(high / low)
        axes.set_xscale("log" if abs(log - 0.5) < abs(linear - 0.5) else "linear")
    return places


def learning_curves(groups: list[Group], metric: str, lower: bool) -> Figure | None:
    """The metric and the loss over the epochs: means over repetitions, with bands from minimum to maximum.

    Few groups have training, dashed, and validation on one chart; with more, each has its own. None if there are none.
    """
    shown = best(groups, CURVES, lower)
    called = dict.fromkeys((metric.partition("/")[2], "loss"))
    found = bands(shown, [f"{split}/{name}" for name in called for split in SPLITS])
    held = {name: {split: of_split for split in SPLITS if (of_split := found[f"{split}/{name}"])} for name in called}
    names = [name for name in held if held[name]]
    splits = [split for split in SPLITS if any(split in held[name] for name in names)]
    if not names:
        return None
    rows = [[split] for split in splits] if len(shown) > TOGETHER else [splits]
    drawn = Figure(figsize=(5.2 * len(names) + 1.4, 0.4 + 3.2 * len(rows)), layout="constrained")
    grid = drawn.subplots(len(rows), len(names), squeeze=False, sharex=True, sharey="col")
    for together, panels in zip(rows, grid, strict=True):
        for name, axes in zip(names, panels, strict=True):
            chart(axes, name, {split: held[name].get(split, {}) for split in together})
    for name, axes in zip(names, grid[-1], strict=True):
        axes.set_xlabel(counted("epoch", shown, groups))
        if lower_is_better(name):
            means = [values.mean(0) for found in held[name].values() for _, values in found.values()]
            axes.set_yscale(scale(np.concatenate(means)))
    colors = {group.label: f"C{place}" for place, group in enumerate(shown)}
    legend(drawn, " · ".join(shown[0].settings), colors, splits=len(rows) < len(splits))
    return drawn


def chart(axes: Axes, name: str, splits: dict[str, Bands]) -> None:
    """One metric's bands in one split or both, training being dashed where it is beside validation."""
    for split, found in splits.items():
        called, style = SPLITS[split] if len(splits) > 1 else (SPLITS[split][0], "-")
        for color, (epochs, values) in found.items():
            axes.plot(epochs, values.mean(0), style, color=color)
            axes.fill_between(epochs, values.min(0), values.max(0), color=color, alpha=0.15, linewidth=0)
    axes.set(ylabel=name if len(splits) > 1 else f"{called} {name}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes)


def bands(shown: list[Group], metrics: Sequence[str]) -> dict[str, Bands]:
    """The groups' bands of each metric, by their colours."""
    found: dict[str, Bands] = {metric: {} for metric in metrics}
    for place, group in enumerate(shown):
        for metric, held in courses(group, metrics).items():
            found[metric][f"C{place}"] = held
    return found


def courses(group: Group, metrics: Sequence[str]) -> dict[str, tuple[list[int], np.ndarray]]:
    """Of each metric the epochs that all of a group's runs have, and the metric there, [runs, epochs].

    Runs without the metric, such as those without a validation set, are left out; so is a metric that none has.
    """
    found: dict[str, list[dict[int, float]]] = {metric: [] for metric in metrics}
    for folder in group.folders:  # run by run, so that each file is read once
        for metric in metrics:
            with suppress(InputError):
                found[metric].append(dict(zip(*curve(Path(folder), metric), strict=True)))
    epochs = {metric: sorted(set.intersection(*map(set, runs))) for metric, runs in found.items() if runs}
    return {
        metric: (those, np.array([[values[epoch] for epoch in those] for values in found[metric]]))
        for metric, those in epochs.items()
        if those
    }
