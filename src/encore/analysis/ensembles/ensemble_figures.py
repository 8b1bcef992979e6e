"""Figures of ensembles: growth, uncertainty, folds, boosting, bias and variance."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from encore.analysis.ensembles.ensemble import Uncertainty
from encore.analysis.results.axes import plain, tidy
from encore.analysis.results.groups import number_of

TOGETHER, ALONE, CHANCE = "C0", "0.6", "0.4"  # colours: of an ensemble, of single members, of what needs no learning


def growth(found: np.ndarray, members: Sequence[float], how: str) -> Figure:
    """Accuracy against the number of members.

    Args:
        found: of the first 1, 2, … members in several orders, [orders, members].
        members: each one's accuracy.
        how: they are put together.
    """
    drawn = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = drawn.subplots()
    sizes = np.arange(1, found.shape[1] + 1)
    low, high = np.quantile(found, [0.05, 0.95], axis=0)
    axes.fill_between(sizes, low, high, color=TOGETHER, alpha=0.15, linewidth=0, label="9 of 10 orders")
    axes.plot(sizes, found.mean(0), "o-", color=TOGETHER, markersize=4, label=f"ensemble by {how}, mean over orders")
    axes.plot([1] * len(members), members, "o", color=ALONE, alpha=0.6, markersize=4, label="members alone", zorder=1)
    axes.axhline(max(members), color=ALONE, linestyle="--", linewidth=1)
    beside(axes, 1.0, max(members), f"best member {max(members):.4f}", ALONE, at_edge=True)
    beside(axes, sizes[-1], found[0, -1], f"{found[0, -1]:.4f}", TOGETHER)
    axes.set(xlabel="members", ylabel="accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    tidy(axes)
    return drawn


def doubt(uncertain: Uncertainty, right: np.ndarray, kept: dict[str, np.ndarray]) -> Figure:
    """Accuracy against the share of examples kept, and the uncertainty's parts where the ensemble is right or wrong.

    Args:
        uncertain: of each example.
        right: whether the ensemble is, bool [n].
        kept: by kind of certainty, the accuracy among the 1, 2, … n most certain examples.
    """
    drawn = Figure(figsize=(9.6, 4.0), layout="constrained")
    left, panel = drawn.subplots(1, 2, width_ratios=(3, 2))
    for number, (name, found) in enumerate(kept.items()):
        shares = np.arange(1, len(found) + 1) / len(found)
        few = len(found) // 20  # of the first ones a single error is all that is seen
        left.plot(shares[few:], found[few:], color=f"C{number}", label=name)
    left.axhline(right.mean(), color=CHANCE, linestyle=":", linewidth=1, label=f"all of them: {right.mean():.4f}")
    left.set(xlabel="share of examples kept, most certain first", ylabel="accuracy among them", xlim=(1.01, 0))
    left.xaxis.set_major_formatter(PercentFormatter(1))
    left.legend(frameon=False, fontsize="small", loc="lower right")
    names = [f"{name}\n({part.sum():,})" for name, part in (("right", right), ("wrong", ~right)) if part.any()]
    parts = [part for part in (right, ~right) if part.any()]
    below = np.zeros(len(parts))
    for name, values, color in (
        ("in each member (expected entropy)", uncertain.expected, "0.75"),
        ("members disagree (mutual information)", uncertain.mutual, "C3"),
    ):
        means = np.array([values[part].mean() for part in parts])
        panel.bar(names, means, bottom=below, color=color, width=0.55, label=name)
        below += means
    panel.set(ylabel="mean uncertainty of a prediction (nats)", xlabel="the ensemble is", ylim=(0, below.max() * 1.35))
    panel.legend(frameon=False, fontsize="small", loc="upper left")
    panel.set_axisbelow(True)
    tidy(left)
    tidy(panel)
    return drawn


def folds(accuracies: Sequence[float], sizes: Sequence[int], overall: float) -> Figure:
    """Each fold's accuracy with its standard error, and that over all examples."""
    drawn = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = drawn.subplots()
    found, count = np.array(accuracies), np.array(sizes)
    error = np.sqrt(found * (1 - found) / count)
    axes.errorbar(
        range(len(found)), found, error, fmt="o", color=TOGETHER, capsize=3, label="one fold ± standard error"
    )
    axes.axhline(
        overall, color=CHANCE, linestyle="--", linewidth=1, label=f"all {count.sum():,} examples: {overall:.4f}"
    )
    axes.set(xlabel="fold", ylabel="accuracy", xlim=(-0.5, len(found) - 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    drawn.legend(frameon=False, fontsize="small", loc="outside upper center", ncols=2)
    tidy(axes)
    return drawn


def boosting(together: dict[str, list[float]], alone: list[float], chance: float) -> Figure:
    """Error against the number of members: of the ensemble, and of the single members beside it.

    Args:
        together: the ensemble's error with the first 1, 2, … members, by split.
        alone: each member's own test error.
        chance: the error of guessing.
    """
    drawn = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = drawn.subplots()
    count, mean = range(1, len(alone) + 1), sum(alone) / len(alone)
    for (split, errors), color in zip(together.items(), ("C1", TOGETHER), strict=True):
        axes.plot(count, errors, color=color, label=f"boosted, {split}")
        beside(axes, len(errors), errors[-1], f"{split} {errors[-1]:.3f}", color)
    axes.plot(count, alone, ".", color=ALONE, markersize=5, label="single members, test", zorder=1)
    beside(axes, len(alone), mean, f"mean {mean:.3f}", ALONE)
    axes.axhline(mean, color=ALONE, linestyle="--", linewidth=1)
    axes.axhline(chance, color=CHANCE, linestyle=":", linewidth=1, label=f"chance: {chance:.3g}")
    axes.set(xlabel="members", ylabel="error", ylim=(-0.02, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    drawn.legend(frameon=False, fontsize="small", loc="outside upper center", ncols=4, columnspacing=1.2)
    tidy(axes)
    return drawn


Lines = dict[str, tuple[Sequence[float], str]]  # values and style, by name


def against(setting: str, labels: Sequence[str], panels: dict[str, Lines]) -> Figure:
    """Lines over the values of a setting; one panel per loss.

    Args:
        setting: its name.
        labels: its values in their order; they stand at their logarithms where all are numbers above 0.
        panels: lines by the name of a loss.
    """
    drawn = Figure(figsize=(5.2 * len(panels), 4.0), layout="constrained")
    numbers = [number_of(label) for label in labels]
    logarithmic = all(value is not None and value > 0 for value in numbers)
    places = [value for value in numbers if value is not None] if logarithmic else list(range(len(labels)))
    for axes, (name, lines) in zip(drawn.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for number, (line, (values, style)) in enumerate(lines.items()):
            color = CHANCE if number == 0 else f"C{number - 1}"
            axes.plot(places, values, style, marker="o", markersize=4, color=color, label=line)
        if logarithmic:
            axes.set_xscale("log")
        axes.set_xticks(places, [plain(label) for label in labels])
        axes.minorticks_off()
        if places[0] > places[-1]:
            axes.invert_xaxis()
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes.set(xlabel=plain(setting), ylabel=name)
        axes.legend(frameon=False, fontsize="small")
        tidy(axes)
    return drawn


def beside(axes: Axes, x: float, y: float, text: str, color: str, at_edge: bool = False) -> None:
    """Label a line at its end, or at the right edge of the panel."""
    place = axes.get_yaxis_transform() if at_edge else axes.transData
    axes.annotate(
        text, (x, y), xycoords=place, xytext=(0 if at_edge else 6, 4 if at_edge else 0), textcoords="offset points",
        ha="right" if at_edge else "left", va="bottom" if at_edge else "center", color=color, fontsize="small",
        annotation_clip=False, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
    )  # fmt: skip
