"""Nets and their costs as a table, and those that no other beats as a picture."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from course.efficient.measure import BATCHES, Net
from encore.analysis.results.axes import plain, tidy
from encore.terminal import harmless

HEADER = ["net", "runs", "test accuracy", "±", "parameters", "not zero", "KB", "KB zipped", "multiply-adds"] + [
    f"ms at batch {batch}{what}" for batch in BATCHES for what in ("", ", quartiles")
]


@dataclass(frozen=True)
class Row:
    """Nets of one kind: the mean of their accuracies, and the costs, of which all have the same but for the zeros."""

    label: str
    accuracies: list[float]
    first: Net
    times: dict[int, tuple[float, float, float]]  # the lower quartile, the median and the upper quartile

    @property
    def accuracy(self) -> float:
        return fmean(self.accuracies)


def rows(nets: Sequence[Net]) -> list[Row]:
    """Nets of one label together, by label."""
    found: dict[str, list[Net]] = {}
    for net in sorted(nets, key=lambda net: net.label):
        found.setdefault(net.label, []).append(net)
    return [
        Row(
            label,
            [net.accuracy for net in same],
            same[0],
            {
                batch: (
                    median(net.quartiles(batch)[0] for net in same),
                    median(net.median(batch) for net in same),
                    median(net.quartiles(batch)[1] for net in same),
                )
                for batch in BATCHES
            },
        )
        for label, same in found.items()
    ]


def cells(row: Row) -> list[str]:
    net, several = row.first, len(row.accuracies) > 1
    times = []
    for batch in BATCHES:
        low, middle, high = row.times[batch]
        times += [f"{middle:.3g}", f"{low:.3g} to {high:.3g}"]
    return [
        row.label, str(len(row.accuracies)), f"{row.accuracy:.4f}", f"{stdev(row.accuracies):.4f}" if several else "",
        str(net.parameters), str(net.nonzero), f"{net.bytes / 1000:.1f}", f"{net.zipped / 1000:.1f}",
        str(net.multiply_adds), *times,
    ]  # fmt: skip


def text(rows: Sequence[Row]) -> str:
    """For the terminal."""
    lines = [HEADER, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return harmless("\n".join(padded))


def csv_of(rows: Sequence[Row]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([HEADER, *map(cells, rows)])
    return stream.getvalue()


def figure(rows: Sequence[Row]) -> Figure:
    """Accuracy against bytes, and against the time of a large batch; a line joins those that none beats."""
    drawn = Figure(figsize=(7.6, 2.9), layout="constrained")
    left, right = drawn.subplots(1, 2, sharey=True)
    panel(left, rows, [row.first.zipped / 1000 for row in rows], "KB on disk, zipped")
    panel(right, rows, [row.times[BATCHES[-1]][1] for row in rows], f"ms of {BATCHES[-1]} pictures, one thread")
    left.set_ylabel("test accuracy")
    handles, labels = left.get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside right upper", frameon=False, fontsize="x-small")
    return drawn


def panel(axes: Axes, rows: Sequence[Row], costs: Sequence[float], label: str) -> None:
    markers = {"int8 dynamic": "s", "int8 static": "D"}
    bases = list(dict.fromkeys(base(row.label) for row in rows))
    for row, cost in zip(rows, costs, strict=True):
        marker = next((shape for kind, shape in markers.items() if row.label.endswith(kind)), "o")
        color = f"C{bases.index(base(row.label)) % 10}"
        axes.plot(cost, row.accuracy, marker, color=color, markersize=6, label=plain(row.label))
    best = front([(cost, row.accuracy) for cost, row in zip(costs, rows, strict=True)])
    axes.plot(*zip(*best, strict=True), color="0.6", linewidth=1, zorder=0)
    axes.set(xscale="log", xlabel=label)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(costs) < 30 * min(costs) else (1,)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    tidy(axes)


def base(label: str) -> str:
    """A net's label without what int8 adds."""
    return label.partition(" · int8")[0]


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those points, by cost, whose accuracy no cheaper point reaches."""
    found: list[tuple[float, float]] = []
    for cost, worth in sorted(points, key=lambda point: (point[0], -point[1])):
        if not found or worth > found[-1][1]:
            found.append((cost, worth))
    return found
