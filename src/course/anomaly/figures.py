"""Figures of anomaly detection: scores, pictures at their ends, and what nets draw of pictures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course.anomaly.scores import Scored, drawn_again
from encore.analysis.pictures.colors import CLASSES
from encore.analysis.results.axes import plain, tidy

COUNT = 6  # pictures in a strip of extremes
DRAWN = 9  # and of reconstructions
BINS = 40
ENDS = (0.001, 0.999)  # quantiles between which scores are shown
NORMAL, ANOMALY = CLASSES[0], CLASSES[5]

Runs = Mapping[str, tuple[Path, Scored]]  # by method: a run's folder, and its scores


def histograms(of: Mapping[str, Scored], title: str) -> Figure:
    """How often normal pictures and anomalies have a score, by method, with the threshold."""
    columns = min(3, len(of))
    lines = -(-len(of) // columns)
    drawn = Figure(figsize=(2.5 * columns, 0.5 + 1.6 * lines), layout="constrained")
    drawn.suptitle(plain(title), fontsize="medium")
    panels = list(drawn.subplots(lines, columns, squeeze=False).flat)
    for axes, (method, one) in zip(panels, of.items(), strict=False):
        low, high = np.quantile(one.test, ENDS)
        edges = np.linspace(low, max(high, low + 1e-12), BINS)
        for name, part, color in (("normal", ~one.anomalous, NORMAL), ("anomalies", one.anomalous, ANOMALY)):
            axes.hist(one.test[part], edges, density=True, color=color, alpha=0.55, label=name)
        axes.axvline(one.threshold, color="0.2", linestyle="--", linewidth=1, label="threshold")
        axes.set_title(f"{short(method)}: AUROC {one.auroc:.3f}", fontsize="small")
        axes.set_yticks([])
        axes.set_xlabel("score", fontsize="small")
        axes.tick_params(labelsize="small")
        tidy(axes)
    for axes in panels[len(of) :]:
        axes.set_axis_off()
    panels[0].legend(frameon=False, fontsize="small")
    return drawn


def extremes(runs: Runs, title: str) -> Figure:
    """By method: the test pictures of the least and the greatest score, of normal ones and of anomalies."""
    names = ("most normal", "false alarms", "missed", "most anomalous")
    drawn = Figure(figsize=(9.6, 0.9 + 0.5 * len(runs)), layout="constrained")
    drawn.suptitle(plain(title), fontsize="medium")
    grid = drawn.subplots(len(runs), len(names), squeeze=False)
    for line, (method, (folder, one)) in zip(grid, runs.items(), strict=True):
        strips = ends(one)
        held, _ = drawn_again(folder, np.concatenate(strips))
        parts = np.split(held, np.cumsum([len(strip) for strip in strips])[:-1])
        for axes, part in zip(line, parts, strict=True):
            strip(axes, within(part, part))
        line[0].set_ylabel(short(method), fontsize="small", rotation=0, ha="right", va="center")
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(name, fontsize="small")
    return drawn


def ends(one: Scored) -> list[np.ndarray]:
    """Places of the normal pictures of the least and the greatest score, and of such anomalies."""
    found = []
    for part in (~one.anomalous, one.anomalous):
        places = np.flatnonzero(part)
        order = places[np.argsort(one.test[places], kind="stable")]
        found += [order[:COUNT], order[::-1][:COUNT]]
    return found


def reconstructions(runs: Runs, title: str) -> Figure | None:
    """The first normal test pictures and anomalies, and what each net draws of them; None if none draws."""
    one = next(iter(runs.values()))[1]
    places = np.concatenate([np.flatnonzero(part)[:DRAWN] for part in (~one.anomalous, one.anomalous)])
    rows: dict[str, np.ndarray] = {}
    for method, (folder, _) in runs.items():
        held, again = drawn_again(folder, places)
        if again is not None:
            rows |= {"picture": within(held, held), method: within(again, held)}
    if not rows:
        return None
    drawn = Figure(figsize=(8.4, 0.6 + 0.4 * len(rows)), layout="constrained")
    drawn.suptitle(plain(title), fontsize="medium")
    half = int((~one.anomalous).sum().clip(max=DRAWN))
    grid = drawn.subplots(len(rows), 2, squeeze=False)
    for line, (name, held) in zip(grid, rows.items(), strict=True):
        strip(line[0], held[:half])
        strip(line[1], held[half:])
        line[0].set_ylabel(short(name), fontsize="small", rotation=0, ha="right", va="center")
    for axes, name in zip(grid[0], ("normal", "anomalies"), strict=True):
        axes.set_title(name, fontsize="small")
    return drawn


def short(method: str) -> str:
    return plain(method).removeprefix("anomaly_")


def within(pictures: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Pictures [n, h, w] with the range of others as 0 to 1."""
    low, high = (end(of, axis=(1, 2), keepdims=True) for end in (np.min, np.max))
    return ((pictures - low) / np.maximum(high - low, 1e-12)).clip(0, 1)


def strip(axes: Axes, pictures: np.ndarray) -> None:
    """Pictures [n, h, w] of values 0 to 1, side by side and dark on white."""
    if len(pictures):
        axes.imshow(1 - np.concatenate(list(pictures), 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
