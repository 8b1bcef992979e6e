"""The figures of a report."""

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from encore.errors import InputError
from encore.results.curves import tidy
from encore.results.groups import Group
from encore.results.metrics import curve

# How many groups a figure can show and be read; of more, those with the best means.
INTERVALS, CURVES = 30, 6
SLICES = 8  # groups from which on each setting is worth a look of its own


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
    label = f"{metric}: values, mean and its 95 % interval"
    axes.set(xlabel=counted(label, shown, groups), ylim=(len(shown) - 0.5, -0.5))
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
    """Means over seeds with bands from the least to the most, validation solid, training dashed; None without any."""
    drawn = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = drawn.subplots()
    base = metric.partition("/")[2]
    shown = best(groups, CURVES, lower)
    for place, group in enumerate(shown):
        label: str | None = plain(group.label)
        for split, style in (("val", "-"), ("train", "--")):
            held = band(group, f"{split}/{base}")
            if held is not None:
                epochs, values = held
                axes.plot(epochs, values.mean(0), style, color=f"C{place % 10}", label=label)
                axes.fill_between(epochs, values.min(0), values.max(0), color=f"C{place % 10}", alpha=0.15, linewidth=0)
                label = None
    if not axes.lines:
        return None
    axes.set(xlabel=counted("epoch", shown, groups), ylabel=base)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.plot([], [], "-", color="0.4", label="validation")
    axes.plot([], [], "--", color="0.4", label="training")
    axes.legend(frameon=False, fontsize="small")
    tidy(axes)
    return drawn


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


def plain(label: str) -> str:
    """A label that matplotlib shows as it is; it leaves those out that begin with _."""
    return (f" {label}" if label.startswith("_") else label).replace("$", r"\$")
