"""Learning curves of single runs."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from encore.analysis.results.axes import SPLITS, legend, plain, tidy
from encore.analysis.results.finished import of_each
from encore.analysis.results.groups import brief, check, shortened
from encore.analysis.results.metrics import timeline
from encore.analysis.results.run_table import REPEATED, Table, differing, number_first, ordered
from encore.errors import InputError
from encore.record.result import Result

COLOURS = 10  # maximum number of runs with their own colours
Line = tuple[Sequence[float], Sequence[float]]  # places in epochs, and values


@dataclass(frozen=True)
class Look:
    """How curves are drawn.

    Attributes:
        log: with logarithmic axes for the metrics.
        mean: as the mean of the runs with one label, in a band from their least to their greatest value.
        negate: each metric times -1, such as the likelihood of a loss that is minus that.
        most: the greatest value that is shown.
        label: of the metrics' axis, instead of their names.
        one_scale: for all metrics.
    """

    log: bool = False
    mean: bool = False
    negate: bool = False
    most: float | None = None
    label: str | None = None
    one_scale: bool = False


def figure(table: Table, metrics: list[str], by: Sequence[str] | None = None, look: Look = Look()) -> Figure:
    """Each run's curves by epoch; one panel per metric.

    Args:
        table: the runs, at least one.
        metrics: by full names, such as `optim/lr`; or `loss`, for the training loss, dashed, and the validation loss.
        by: the settings that label and colour the runs; None: all that differ.
        look: how they are drawn.

    Raises:
        InputError: no run has logged the metrics, or a logarithmic axis has nothing positive to show.
        ConfigError: `by` names no setting.
    """
    table = ordered(table)
    intervals = table.settings.reindex(columns=["scheduler.interval"])["scheduler.interval"]
    held = {run.folder: interval != "step" for run, interval in zip(table.runs, intervals, strict=True)}
    table, each = of_each(
        table, [], lambda run: {metric: lines(run, held[run.folder], metric) for metric in metrics}, what="reading"
    )
    title, labels = named(table, by, look.mean)
    colors = palette(labels)
    drawn = Figure(figsize=(5.2 * len(metrics) + 1.4, 3.6), layout="constrained")
    both = False
    for panel, metric in zip(
        drawn.subplots(1, len(metrics), squeeze=False, sharey=look.one_scale)[0], metrics, strict=True
    ):
        found = [of_run[metric] for of_run in each]
        splits = {split for of_run in found for split in of_run}
        both = both or len(splits) > 1
        if look.negate:
            found = [{split: (places, [-value for value in values]) for split, (places, values) in each.items()}
                     for each in found]  # fmt: skip
        chosen = [colors[label] for label in labels]
        if look.mean:
            bands(panel, found, chosen, dashed=len(splits) > 1)
        else:
            draw(panel, found, chosen, dashed=len(splits) > 1)
        if look.log and not any(value > 0 for line in panel.lines for value in np.asarray(line.get_ydata())):
            raise InputError(f"--log: {metric} is nowhere above 0")
        alone = "training " if splits == {"train"} else ""
        name = look.label or ("−" if look.negate else "") + alone + metric
        panel.set(xlabel="epoch", ylabel=plain(name), yscale="log" if look.log else "linear")
        if look.most is not None:
            limit(panel, look.most, look.log)
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


def bands(panel: Axes, found: list[dict[str, Line]], colors: list[Any], dashed: bool) -> None:
    """The mean of the runs of one colour, as far as all of them go, and the band that they fill."""
    drawn: list[Line2D] = []
    for color in dict.fromkeys(colors):
        of_color = [of_run for of_run, each in zip(found, colors, strict=True) if each == color]
        for split in dict.fromkeys(split for of_run in of_color for split in of_run):
            each = [of_run[split] for of_run in of_color if split in of_run]
            length = min(len(places) for places, _ in each)
            values = np.array([values[:length] for _, values in each])
            places = each[0][0][:length]
            drawn += panel.plot(places, values.mean(0), SPLITS[split][1] if dashed else "-", color=color)
            for beneath in drawn[:-1]:  # shows at the edges of what lies on it
                if alike(np.asarray(beneath.get_ydata()), np.asarray(drawn[-1].get_ydata())):
                    beneath.set_linewidth(beneath.get_linewidth() + 3)
            panel.fill_between(places, values.min(0), values.max(0), color=color, alpha=0.15, linewidth=0)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(panel)


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two lines could not be told apart in a picture."""
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=0.01 * max(np.ptp(one), 1e-30)))


def limit(panel: Axes, most: float, log: bool) -> None:
    """Show values up to `most`, if there are greater ones."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in panel.lines])
    shown = values[(values <= most) & ((values > 0) | (not log))]
    if not len(shown) or values.max() <= most:
        return
    low = shown.min()
    panel.set_ylim(low / (most / low) ** 0.05 if log else low - 0.05 * (most - low), most)


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
    with suppress(InputError):  # a run without a validation set has only one curve
        found["val"] = timeline(run.folder, f"val/{metric}")
    return found


def named(table: Table, by: Sequence[str] | None = None, together: bool = False) -> tuple[str, list[str]]:
    """The settings that distinguish runs, and each run's label made of their values.

    Runs that differ in repetitions alone, such as seeds, share a label if they are drawn together, or are more than
    there are colours.

    Raises:
        ConfigError: `by` names no setting.
    """
    if by is not None:
        check(by, table)
        return " · ".join(by), labelled(table, by)
    names = differing(table)
    repeats = [name for name in table.repeats() if name in table.different()]
    if together or len(table.runs) > COLOURS:
        shared = f"all {' and '.join(REPEATED[name] for name in repeats)}"
        return ", ".join([" · ".join(names)] * bool(names) + [shared] * bool(repeats)), labelled(table, names)
    labels = labelled(table, names + repeats)
    if len(set(labels)) < len(labels):  # the same settings, run with different code
        labels = [f"{label} · {run.folder.name}" for label, run in zip(labels, table.runs, strict=True)]
    return " · ".join(names + repeats), labels


def labelled(table: Table, names: Sequence[str]) -> list[str]:
    """Each run's values of some settings, or its name if there are none."""
    rows = table.settings[list(names)].itertuples(index=False)
    short = shortened(table, names)
    return [
        " · ".join(short.get(value) or brief(value) for value in row) or run.name
        for row, run in zip(rows, table.runs, strict=True)
    ]


def palette(labels: list[str]) -> dict[str, Any]:
    """A colour for each label, in sorted order: numbers by size."""
    different = sorted(set(labels), key=lambda label: [number_first(part) for part in label.split(" · ")])
    if len(different) <= COLOURS:
        return {label: f"C{place}" for place, label in enumerate(different)}
    shades = matplotlib.colormaps["turbo"].resampled(len(different))
    return {label: shades(place) for place, label in enumerate(different)}
