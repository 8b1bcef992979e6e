"""The figures of a report."""

from contextlib import suppress
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from encore.errors import InputError
from encore.results.curves import curve, tidy
from encore.results.groups import Group


def intervals(groups: list[Group], metric: str) -> Figure:
    """Every group's values, its mean and the mean's 95 % interval."""
    shown = [group for group in groups if group.found]
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
    axes.set(xlabel=f"{metric}: values, mean and its 95 % interval", ylim=(len(shown) - 0.5, -0.5))
    tidy(axes)
    return drawn


def learning_curves(groups: list[Group], metric: str) -> Figure | None:
    """Means over seeds with bands from the least to the most, validation solid, training dashed; None without any."""
    drawn = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = drawn.subplots()
    base = metric.partition("/")[2]
    for place, group in enumerate(group for group in groups if group.found):
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
    axes.set(xlabel="epoch", ylabel=base)
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
