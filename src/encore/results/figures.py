"""The figures of a report."""

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from encore.directions import lower_is_better
from encore.errors import InputError
from encore.results.axes import SPLITS, legend, plain, scale, tidy
from encore.results.groups import Group
from encore.results.metrics import curve

# How many groups a figure can show and be read; of more, those with the best means.
INTERVALS, CURVES = 30, 10
TOGETHER = 4  # groups up to which training and validation are seen on one chart
SLICES = 8  # groups from which on each setting is worth a look of its own
# A group's epochs, and a metric there, [runs, epochs]; by its colour.
Bands = dict[str, tuple[list[int], np.ndarray]]


def best(groups: list[Group], count: int, lower: bool) -> list[Group]:
    """The groups that have a value; of more than `count`, those with the best means, best first."""
    found = [group for group in groups if group.found]
    if len(found) <= count:
        return found
    return sorted(found, key=Group.mean, reverse=not lower)[:count]


def counted(text: str, shown: list[Group], groups: list[Group]) -> str:
    """An axis's label that says where groups are not shown."""
    found = sum(bool(group.found) for group in groups)
    return text if len(shown) == found else f"{text}; the best {len(shown)} of {found}"


def intervals(groups: list[Group], metric: str, lower: bool) -> Figure:
    """Groups' values, their means and the means' 95 % intervals."""
    shown = best(groups, INTERVALS, lower)
    drawn = Figure(figsize=(6.4, 1.2 + 0.45 * len(shown)), layout="constrained")
    axes = drawn.subplots()
    for place, group in enumerate(shown):
        found = group.summary
        assert found is not None
        color = f"C{place % 10}"
        axes.plot(found.values, [place] * found.n, "o", color=color, alpha=0.35, markersize=5)
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], color=color, linewidth=2)
        axes.plot(found.mean, place, "D", color=color, markersize=6)
    axes.set_yticks(range(len(shown)), [plain(group.label) for group in shown])
    repeated = any(len(group.found) > 1 for group in shown)
    label = f"{metric}: values, mean and its 95 % interval" if repeated else metric
    axes.set(xlabel=counted(label, shown, groups), ylim=(len(shown) - 0.5, -0.5))
    if lower_is_better(metric):
        axes.set_xscale(scale(place for line in axes.lines for place in np.ravel(line.get_xdata())))
    tidy(axes)
    return drawn


def slices(groups: list[Group], metric: str, lower: bool) -> Figure | None:
    """Each setting's values against the groups' means, as a search wants to be seen; None for few groups."""
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
    """Where a setting's values stand on an axis: numbers by their size, others side by side."""
    try:
        places = [float(value) for value in values]
    except ValueError:
        names = sorted(set(values), key=lambda name: ([int(digits) for digits in re.findall(r"\d+", name)], name))
        axes.set_xticks(range(len(names)), [plain(name) for name in names], rotation=30, ha="right")
        return [names.index(value) for value in values]
    low, middle, high = np.quantile(places, [0, 0.5, 1])
    if low > 0 and high / low >= 10:  # the scale on which the median is nearer to the middle
        linear, log = (middle - low) / (high - low), np.log(middle / low) / np.log(high / low)
        axes.set_xscale("log" if abs(log - 0.5) < abs(linear - 0.5) else "linear")
    return places


def learning_curves(groups: list[Group], metric: str, lower: bool) -> Figure | None:
    """The metric and the loss over the epochs: means over repetitions, with bands from the least to the most.

    Few groups have training, dashed, and validation on one chart; of more, each has its own. None without any.
    """
    shown = best(groups, CURVES, lower)
    held = {
        name: {split: found for split in SPLITS if (found := bands(shown, f"{split}/{name}"))}
        for name in (metric.partition("/")[2], "loss")
    }
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


def bands(shown: list[Group], metric: str) -> Bands:
    """Those of the groups that have one."""
    found = {f"C{place}": band(group, metric) for place, group in enumerate(shown)}
    return {color: held for color, held in found.items() if held is not None}


def band(group: Group, metric: str) -> tuple[list[int], np.ndarray] | None:
    """The epochs that all of a group's runs have, and the metric there, [runs, epochs].

    Runs without the metric, such as those without a validation set, are left out; None where none is left.
    """
    found = []
    for folder in group.folders:
        with suppress(InputError):
            found.append(dict(zip(*curve(Path(folder), metric), strict=True)))
    epochs = sorted(set.intersection(*map(set, found))) if found else []
    return (epochs, np.array([[values[epoch] for epoch in epochs] for values in found])) if epochs else None
