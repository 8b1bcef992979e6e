"""What runs on a stream had right while it came, and what they had forgotten at its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from encore.analysis.results.axes import tidy
from encore.analysis.results.findings import Findings
from encore.analysis.results.statistics import summary
from encore.errors import InputError
from encore.provenance.trust import recorded_config
from encore.record.result import Result

MATRIX, PREQUENTIAL = "val-matrix", "train-prequential"
ALL, WINDOW, ONLINE = "all at once", "retrained on a window", "online"
COLORS = {ONLINE: "#D55E00", WINDOW: "#CC79A7", ALL: "#555555"}
REPLAYS = ("#0072B2", "#009E73", "#56B4E9", "#E69F00")
POINTS = 80  # of a curve over the stream


@dataclass(frozen=True)
class Streamed:
    """A run on a stream.

    Attributes:
        stream: settings of the stream.
        method: how it learned.
        window: the task that it was trained on, where it was one.
        matrix: accuracy on held-out examples of each task (columns) after each epoch (rows).
        prequential: what was right of each batch before it was learned from, [steps].
    """

    folder: Path
    stream: dict[str, Any]
    method: str
    window: int | None
    seed: int
    matrix: np.ndarray
    prequential: np.ndarray

    @property
    def last(self) -> np.ndarray:
        """Each task's accuracy in the end."""
        return self.matrix[-1]


def read(run: Result) -> Streamed:
    """A finished run's tables.

    Raises:
        InputError: it has none, or they cannot be read.
    """
    cfg = recorded_config(run.folder)
    stream = cfg["data"].get("train") or {}
    if "replay" not in cfg["task"] or not str(stream.get("_target_")).startswith("course.streams."):
        raise InputError(f"{run.folder} is no run of task=streaming on data=stream")
    order, replay = cfg["data"].get("order"), cfg["task"]["replay"]
    window = None if order is None else order.get("window")
    method = ALL if order is None else ONLINE if window is None else WINDOW
    if method == ONLINE and replay:
        method = f"{ONLINE}, {replay:,} remembered"
    matrix, right = (table(run.folder / "tables" / f"{name}.csv") for name in (MATRIX, PREQUENTIAL))
    tasks = stream["tasks"]
    if matrix.shape[1] != tasks:
        raise InputError(f"{run.folder}: {MATRIX}.csv has {matrix.shape[1]} columns, and the stream {tasks} tasks")
    if method.startswith(ONLINE) and len(matrix) < tasks:
        raise InputError(f"{run.folder} ended early: {len(matrix)} of the stream's {tasks} tasks were read")
    return Streamed(run.folder, stream, method, window, run.seed, matrix, right.flatten())


def table(file: Path) -> np.ndarray:
    try:
        found = np.loadtxt(file, delimiter=",", ndmin=2)
    except (OSError, ValueError) as problem:
        raise InputError(f"{file} cannot be read: {problem}") from problem
    if not found.size:
        raise InputError(f"{file} is empty")
    if not np.isfinite(found).all():
        raise InputError(f"{file} has no value for some task: its run did not see all held-out examples, or diverged")
    return found


def compare(runs: Sequence[Streamed], left_out: list[str]) -> Findings:
    """All methods on one stream.

    Raises:
        InputError: the runs are of several streams.
    """
    if any(run.stream != runs[0].stream for run in runs):
        raise InputError("the runs are of several streams: compare those of one alone")
    tasks = runs[0].stream["tasks"]
    methods = {name: [run for run in runs if run.method == name] for name in sorted({run.method for run in runs})}
    methods = dict(sorted(methods.items(), key=lambda item: (item[0] == ALL, item[0] == WINDOW, item[0])))
    rows = [["method", "runs", "accuracy over the stream", "accuracy in the end", "forgotten"]]
    values: list[list[Any]] = []
    for name, each in methods.items():
        figures = of_windows(each) if name == WINDOW else [figures_of(run) for run in each]
        columns = list(zip(*figures, strict=True))
        rows.append([name, str(len(each)), *map(shown, columns)])
        for what, column in zip(("stream", "end", "forgotten"), columns, strict=True):
            values += [[name, what, each_value] for each_value in column if each_value is not None]
    notes = [
        "Accuracy over the stream: of each batch before it was learned from; of a net that was retrained on a window, "
        "of held-out pictures of the task that follows. Accuracy in the end: the mean over the held-out pictures of "
        f"all {tasks} tasks. Forgotten: how much lower a task's accuracy is in the end than it was at its best, the "
        "mean over all tasks but the last. Means over runs, with their standard deviation.",
    ]
    return Findings(
        "streams", "Learning from a stream", rows, [["method", "figure", "value"], *values], notes,
        {"stream": curves(methods, tasks), "forgetting": matrices(methods, tasks)}, {},
        [run.folder for run in runs], left_out,
    )  # fmt: skip


def figures_of(run: Streamed) -> tuple[float | None, float, float | None]:
    """Accuracy over the stream, in the end, and what was forgotten; None where it is not a stream that is read once."""
    end = float(run.last.mean())
    if not run.method.startswith(ONLINE):
        return None, end, None
    return float(run.prequential.mean()), end, float((run.matrix.max(0) - run.last)[:-1].mean())


def of_windows(runs: Sequence[Streamed]) -> list[tuple[float | None, float, float | None]]:
    """The same of nets that were each trained on one task, for each seed that has all of them."""
    found: list[tuple[float | None, float, float | None]] = []
    for matrix in windows(runs):
        ahead = np.diagonal(matrix, 1)
        found.append((float(ahead.mean()), float(matrix[-1].mean()), float((matrix.max(0) - matrix[-1])[:-1].mean())))
    return found or [(None, float(np.mean([run.last.mean() for run in runs])), None)]


def windows(runs: Sequence[Streamed]) -> list[np.ndarray]:
    """For each seed whose windows are all there: each task's accuracy (columns) after training on each (rows)."""
    by_seed: dict[int, dict[int, np.ndarray]] = {}
    for run in runs:
        if run.window is not None:
            by_seed.setdefault(run.seed, {})[run.window] = run.last
    tasks = runs[0].stream["tasks"]
    return [np.stack([held[task] for task in range(tasks)]) for held in by_seed.values() if len(held) == tasks]


def shown(column: Sequence[float | None]) -> str:
    there = [value for value in column if value is not None]
    if not there:
        return "–"
    found = summary(there)
    return f"{found.mean:.4f}" if found.std is None else f"{found.mean:.4f} ± {found.std:.4f}"


def colors(methods: dict[str, list[Streamed]]) -> dict[str, str]:
    others = iter(REPLAYS)
    return {name: COLORS.get(name) or next(others, "0.5") for name in methods}


def curves(methods: dict[str, list[Streamed]], tasks: int) -> Figure:
    """Accuracy over the stream, a band from the least to the greatest of the runs."""
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.subplots()
    for (name, runs), color in zip(methods.items(), colors(methods).values(), strict=True):
        if name.startswith(ONLINE):
            points = np.stack([smoothed(run.prequential) for run in runs if len(run.prequential) >= POINTS] or
                              [run.prequential for run in runs])  # fmt: skip
            places = (np.arange(points.shape[1]) + 0.5) * tasks / points.shape[1]
            axes.plot(places, points.mean(0), color=color, label=name, linewidth=1)
            axes.fill_between(places, points.min(0), points.max(0), color=color, alpha=0.2, linewidth=0)
        elif name == WINDOW and (every := windows(runs)):
            for task, accuracy in enumerate(np.mean([np.diagonal(matrix, 1) for matrix in every], 0), 1):
                axes.plot([task, task + 1], [accuracy] * 2, color=color, label=name if task == 1 else None)
        elif name == ALL:
            ends = np.mean([run.last for run in runs], 0)
            axes.stairs(ends, np.arange(tasks + 1), baseline=None, color=color, linestyle=":", label=name)
    axes.set_xlim(0, tasks)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks(range(tasks + 1))
    axes.set_xlabel("tasks read")
    axes.set_ylabel("accuracy")
    tidy(axes)
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    return figure


def smoothed(values: np.ndarray) -> np.ndarray:
    """Means of stretches, [POINTS]."""
    return np.array([part.mean() for part in np.array_split(values, POINTS)])


def matrices(methods: dict[str, list[Streamed]], tasks: int) -> Figure:
    """Each task's accuracy after each task."""
    every = {}
    for name, runs in methods.items():
        if name.startswith(ONLINE):
            every[name] = np.mean([run.matrix for run in runs], 0)
        elif name == WINDOW and (found := windows(runs)):
            every[name] = np.mean(found, 0)
        elif name == ALL:
            every[name] = np.mean([run.matrix[-1:] for run in runs], 0)
    figure = Figure(figsize=(2.6 * len(every) + 0.6, 2.9), layout="constrained")
    panels = figure.subplots(1, max(1, len(every)), squeeze=False)[0]
    for axes, (name, matrix) in zip(panels, every.items(), strict=False):
        drawn = axes.imshow(matrix, vmin=0, vmax=1, cmap="viridis")
        axes.set_title(name, fontsize="small")
        axes.set_xlabel("accuracy on task")
        axes.set_xticks(range(0, tasks, 1 if tasks <= 5 else 3), range(1, tasks + 1, 1 if tasks <= 5 else 3))
        axes.set_yticks(
            range(0, len(matrix), 1 if tasks <= 5 else 3), range(1, len(matrix) + 1, 1 if tasks <= 5 else 3)
        )
        if name == ALL:
            axes.set_yticks([])
    if every:
        panels[0].set_ylabel("after task")
        figure.colorbar(drawn, ax=panels.tolist(), shrink=0.8, label="accuracy")
    return figure
