"""Learning curves, from metrics.csv."""

import csv
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from encore.errors import InputError
from encore.record.result import Result


def curve(folder: Path, metric: str) -> tuple[list[int], list[float]]:
    """A metric's epochs, counted from 1, and values.

    Raises:
        InputError: the run has logged no such metric.
    """
    file = folder / "metrics.csv"
    try:
        with file.open(newline="") as stream:
            points = [(int(row["epoch"]) + 1, float(row[metric])) for row in csv.DictReader(stream) if row.get(metric)]
    except FileNotFoundError as problem:
        raise InputError(f"there is no {file}: the run was trained without logger=csv") from problem
    except (OSError, ValueError, KeyError, csv.Error) as problem:
        raise InputError(f"{file} cannot be read: {problem}") from problem
    if not points:
        raise InputError(f"{file} has no {metric}")
    epochs, values = zip(*points, strict=True)
    return list(epochs), list(values)


def figure(runs: list[Result], metrics: list[str]) -> Figure:
    """Training (dashed) and validation of each run, a panel a metric."""
    drawn = Figure(figsize=(5.2 * len(metrics), 3.6), layout="constrained")
    panels: list[Axes] = list(drawn.subplots(1, len(metrics), squeeze=False)[0])
    for panel, metric in zip(panels, metrics, strict=True):
        for number, run in enumerate(runs):
            label: str | None = f"{run.name}, seed {run.seed}"
            for split, style in (("val", "-"), ("train", "--")):
                try:
                    epochs, values = curve(run.folder, f"{split}/{metric}")
                except InputError:
                    if split == "train":
                        raise
                    continue  # a run without a validation set has one curve
                panel.plot(epochs, values, style, color=f"C{number}", label=label)
                label = None  # a run is named once
        panel.set(xlabel="epoch", ylabel=metric)
        tidy(panel)
    panels[0].plot([], [], "--", color="0.4", label="training")
    panels[0].plot([], [], "-", color="0.4", label="validation")
    panels[0].legend(frameon=False, fontsize="small")
    return drawn


def tidy(axes: Axes) -> None:
    """A quiet grid, and no frame."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
