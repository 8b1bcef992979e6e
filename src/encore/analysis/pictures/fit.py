"""One number learned from another: the fitted line with its data, and the losses during training."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from encore.analysis.pictures.colors import INK, SPLITS
from encore.analysis.pictures.learned import Learned
from encore.analysis.results.axes import SPLITS as STYLES
from encore.analysis.results.axes import logarithmic, tidy
from encore.analysis.results.metrics import curve
from encore.errors import InputError

PLACES = 201  # number of inputs at which the line is evaluated
DECADE = 10.0  # times the least loss, from which on the axis is logarithmic
FEW = 50  # points that are large
STRAIGHT = 1e-5  # of the line's largest value, by which a straight one may be off in float32


@dataclass(frozen=True)
class Fit:
    """What is drawn for a run.

    Attributes:
        axes: names of the input and the target.
        places: raw inputs, [PLACES].
        line: the net's predictions there.
        points: raw inputs and targets by split.
        losses: epochs and losses by split; empty if not logged.
        best: the epoch of the weights, if it was not the last.
    """

    title: str
    axes: tuple[str, str]
    places: np.ndarray
    line: np.ndarray
    points: dict[str, tuple[np.ndarray, np.ndarray]]
    losses: dict[str, tuple[list[int], list[float]]]
    best: int | None

    def straight(self) -> tuple[float, float] | None:
        """Slope and intercept in raw units; None if the line is not straight."""
        slope, intercept = np.polyfit(self.places, self.line, 1)
        off = np.abs(slope * self.places + intercept - self.line).max()
        return (float(slope), float(intercept)) if off <= STRAIGHT * np.abs(self.line).max() else None


def measure(run: Learned) -> Fit:
    points = {
        split: (inputs.double().numpy()[:, 0], targets.double().numpy()[:, 0])
        for split, inputs, targets in run.splits()
    }
    every = np.concatenate([inputs for inputs, _ in points.values()])
    margin = 0.05 * (np.ptp(every) or 1.0)
    places = torch.linspace(every.min() - margin, every.max() + margin, PLACES)
    losses = {}
    for split in ("train", "val"):
        with suppress(InputError):
            losses[split] = curve(run.run.folder, f"{split}/loss")
    epoch = run.run.best["epoch"] + 1
    return Fit(
        run.title,
        (run.axis("inputs", 0, "input"), run.axis("targets", 0, "target")),
        places.double().numpy(),
        run.predictions(places[:, None]).double().numpy()[:, 0],
        points,
        losses,
        epoch if run.weights == "best" and epoch < run.run.epochs else None,
    )


def figure(found: Sequence[Fit]) -> Figure:
    """One row per run: its line and its losses."""
    drawn = Figure(figsize=(9.6, 4.0 * len(found)), layout="constrained")
    for part, fit in zip(drawn.subfigures(len(found), 1, squeeze=False)[:, 0], found, strict=True):
        part.suptitle(fit.title, fontsize="medium")
        left, right = part.subplots(1, 2)
        through_points(left, fit)
        by_epoch(right, fit)
    return drawn


def through_points(axes: Axes, fit: Fit) -> None:
    """Draw the line with the measurements."""
    for place, (split, (inputs, targets)) in enumerate(fit.points.items()):
        look, few = SPLITS[split], len(inputs) <= FEW
        axes.plot(
            inputs, targets, look.marker, color=look.color, markersize=6 if few else 2, markeredgecolor=INK,
            markeredgewidth=1.0 if few else 0, label=f"{look.name}: {len(inputs)}", zorder=3 - 0.1 * place,
        )  # fmt: skip
    straight, equation = fit.straight(), "what was learned"
    if straight is not None:
        slope, intercept = straight
        given, learned = fit.axes
        equation = f"{learned} = {slope:.4g} · {given} {'−' if intercept < 0 else '+'} {abs(intercept):.4g}"
    axes.plot(fit.places, fit.line, color=INK, linewidth=1.5, label=equation, zorder=1)
    targets = np.concatenate([targets for _, targets in fit.points.values()])
    room, (bottom, top) = np.ptp(targets) or 1.0, axes.get_ylim()  # a line may leave the picture, the points stay seen
    axes.set_ylim(max(bottom, targets.min() - room), min(top, targets.max() + room))
    axes.set(xlabel=fit.axes[0], ylabel=fit.axes[1])
    axes.legend(frameon=False, fontsize="small")
    tidy(axes)


def by_epoch(axes: Axes, fit: Fit) -> None:
    """Draw training and validation losses."""
    every = [value for _, values in fit.losses.values() for value in values]
    if not every:
        axes.text(0.5, 0.5, "no losses were logged", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    for split, (epochs, values) in fit.losses.items():
        look = SPLITS[split]
        label = f"{look.name}: {values[-1]:.4g} in the end"
        axes.plot(epochs, values, STYLES[split][1], color=look.color, label=label)
    if fit.best is not None:
        axes.axvline(fit.best, color=INK, linestyle=":", linewidth=1, label=f"weights of epoch {fit.best}, the best")
    axes.set(xlabel="epoch", ylabel="loss")
    if min(every) > 0 and max(every) / min(every) >= DECADE:
        logarithmic(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize="small")
    tidy(axes)
