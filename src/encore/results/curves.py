"""Learning curves of single runs."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from encore.errors import InputError
from encore.record.result import Result
from encore.results.axes import SPLITS, legend, tidy
from encore.results.groups import brief, check
from encore.results.metrics import timeline
from encore.results.table import REPEATED, Table, differing

COLOURS = 10  # runs up to which each has a colour of its own
Line = tuple[Sequence[float], Sequence[float]]  # places in epochs, and values


def figure(table: Table, metrics: list[str], by: Sequence[str] | None = None, log: bool = False) -> Figure:
    """Each run's curves over its epochs, a panel a metric.

    Args:
        table: the runs, at least one.
        metrics: by full names, such as `optim/lr`; or `loss`, for that of training, dashed, and of validation.
        by: the settings that name and colour the runs; all that differs without.
        log: whether values have logarithmic axes.

    Raises:
        InputError: a run has logged no such metric, or `log` has nothing of it to show.
        ConfigError: `by` names no setting.
    """
    title, labels = named(table, by)
    colors = palette(labels)
    held = table.settings.reindex(columns=["scheduler.interval"])["scheduler.interval"] != "step"
    drawn = Figure(figsize=(5.2 * len(metrics) + 1.4, 3.6), layout="constrained")
    both = False
    for panel, metric in zip(drawn.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        found = [lines(*each, metric) for each in zip(table.runs, held, strict=True)]
        splits = {split for of_run in found for split in of_run}
        both = both or len(splits) > 1
        draw(panel, found, [colors[label] for label in labels], dashed=len(splits) > 1)
        if log and not any(value > 0 for line in panel.lines for value in np.asarray(line.get_ydata())):
            raise InputError(f"--log: {metric} is nowhere above 0")
        alone = "training " if splits == {"train"} else ""
        panel.set(xlabel="epoch", ylabel=alone + metric, yscale="log" if log else "linear")
    legend(drawn, title, colors, splits=both)
    return drawn


def draw(panel: Axes, found: list[dict[str, Line]], colors: list[Any], dashed: bool) -> None:
    """Every run's lines, training being dashed where it is beside validation."""
    width, alpha = (1.5, 1.0) if len(found) <= COLOURS else (1.0, 0.7)
    for of_run, color in zip(found, colors, strict=True):
        for split, (places, values) in of_run.items():
            style = SPLITS[split][1] if dashed else "-"
            panel.plot(places, values, style, color=color, linewidth=width, alpha=alpha)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(panel)


def lines(run: Result, held: bool, metric: str) -> dict[str, Line]:
    """A run's lines of a metric by split, which is empty where the metric has its full name.

    Args:
        run: whose.
        held: whether the learning rate changes at the beginnings of epochs alone, and stays in between.
        metric: which.
    """
    if "/" in metric:
        places, values = timeline(run.folder, metric)
        if held and metric == "optim/lr":
            ends = [*places[1:], max(run.epochs, places[-1])]
            places = list(chain(*zip(places, ends, strict=True)))
            values = list(chain(*zip(values, values, strict=True)))
        return {"": (places, values)}
    found: dict[str, Line] = {"train": timeline(run.folder, f"train/{metric}")}
    with suppress(InputError):  # a run without a validation set has one curve
        found["val"] = timeline(run.folder, f"val/{metric}")
    return found


def named(table: Table, by: Sequence[str] | None = None) -> tuple[str, list[str]]:
    """What tells runs apart, and each one's label that says what it has of it.

    More runs than there are colours share a label where they differ in repetitions alone, such as seeds.

    Raises:
        ConfigError: `by` names no setting.
    """
    if by is not None:
        check(by, table)
        return " · ".join(by), labelled(table, by)
    names = differing(table)
    repeats = [name for name in table.repeats() if name in table.different()]
    if len(table.runs) > COLOURS:
        shared = f"all {' and '.join(REPEATED[name] for name in repeats)}"
        return ", ".join([" · ".join(names)] * bool(names) + [shared] * bool(repeats)), labelled(table, names)
    labels = labelled(table, names + repeats)
    if len(set(labels)) < len(labels):  # the same settings, run by other code
        labels = [f"{label} · {run.folder.name}" for label, run in zip(labels, table.runs, strict=True)]
    return " · ".join(names + repeats), labels


def labelled(table: Table, names: Sequence[str]) -> list[str]:
    """Each run's values of some settings; where there are none its name."""
    rows = table.settings[list(names)].itertuples(index=False)
    return [" · ".join(map(brief, row)) or run.name for row, run in zip(rows, table.runs, strict=True)]


def palette(labels: list[str]) -> dict[str, Any]:
    """A colour for each label, in their order: numbers by their size."""
    different = sorted(set(labels), key=lambda label: [number_first(part) for part in label.split(" · ")])
    if len(different) <= COLOURS:
        return {label: f"C{place}" for place, label in enumerate(different)}
    shades = matplotlib.colormaps["turbo"].resampled(len(different))
    return {label: shades(place) for place, label in enumerate(different)}


def number_first(text: str) -> tuple[float, str]:
    """By which numbers are sorted by their size, and come before other values."""
    try:
        return float(text), ""
    except ValueError:
        return float("inf"), text
