"""The course of runs that overfit: training against validation loss, and where early stopping would have stopped."""

from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from encore.analysis.results.curves import tidy
from encore.analysis.results.groups import Group
from encore.analysis.results.metrics import curve
from encore.analysis.results.report_figures import courses, plain
from encore.analysis.results.run_table import Table
from encore.errors import InputError

TRAINING, VALIDATION = "C1", "C0"
Point = tuple[float, float]  # an epoch, and the validation loss there


def stops_early(table: Table, place: int) -> bool:
    """Whether a run was set to stop early."""
    row = table.settings.iloc[place]
    return any(name.startswith("callbacks.") and str(value).endswith(".EarlyStopping") for name, value in row.items())


def overfitting(table: Table, group: Group | None) -> Figure | None:
    """A group's losses per epoch, one line per run, with their means; None if they were not logged.

    Of a run that early stopping ended, and that took the same course as one of the group until then, the epoch whose
    weights it gives and its last one are marked.

    Args:
        table: all runs.
        group: the one that is drawn.
    """
    if group is None:
        return None
    found = courses(group, ("train/loss", "val/loss"))
    training, validation = found.get("train/loss"), found.get("val/loss")
    if training is None or validation is None:
        return None
    drawn = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = drawn.subplots()
    for (epochs, losses), color, name in ((training, TRAINING, "training"), (validation, VALIDATION, "validation")):
        for run in losses:
            axes.plot(epochs, run, color=color, alpha=0.25, linewidth=0.8)
        axes.plot(epochs, losses.mean(0), color=color, linewidth=2, label=f"{name} loss")
    mark(axes, stops(table, [tuple(run) for run in validation[1]]))
    several = f": {len(validation[1])} runs and their mean" if len(validation[1]) > 1 else ""
    axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    axes.set_title(plain(f"{group.label}{several}"), fontsize="medium")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize="small")
    tidy(axes)
    return drawn


def stops(table: Table, courses: list[tuple[float, ...]]) -> list[tuple[Point, Point]]:
    """Of each run that stopped early on one of the courses, the epoch of the best weights and the last one."""
    found: list[tuple[Point, Point]] = []
    for place, run in enumerate(table.runs):
        if not (stops_early(table, place) and run.stopped_early):
            continue
        try:
            _, losses = curve(Path(run.folder), "val/loss")
        except InputError:
            continue
        if any(course[: len(losses)] == tuple(losses) for course in courses):
            best = run.best["epoch"]
            found.append(((best + 1, losses[best]), (len(losses), losses[-1])))
    return found


def mark(axes: Axes, found: list[tuple[Point, Point]]) -> None:
    for places, marker, does in (
        ([kept for kept, _ in found], "o", "keeps the weights of epoch"),
        ([end for _, end in found], "X", "stops after epoch"),
    ):
        if places:
            epochs, losses = zip(*places, strict=True)
            low, high = min(epochs), max(epochs)
            name = f"early stopping {does} {low}" + (f" to {high}" if high > low else "")
            axes.plot(epochs, losses, marker, color="C3", markersize=8, markeredgecolor="white", label=name, zorder=3)
            axes.axvline(fmean(epochs), color="C3", linestyle=":", linewidth=1)
