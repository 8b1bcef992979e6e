"""How figures look: their axes, and labels on them."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

WIDE = 30  # times the least value, from which on a logarithmic axis shows more
ROWS = 16  # of a legend's column
# What each split is called, and how its lines are drawn beside the other's.
SPLITS: dict[str, tuple[str, Literal["-", "--"]]] = {"val": ("validation", "-"), "train": ("training", "--")}


def tidy(axes: Axes) -> None:
    """A quiet grid, and no frame."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def plain(label: str) -> str:
    """A label that matplotlib shows as it is; it leaves those out that begin with _."""
    return (f" {label}" if label.startswith("_") else label).replace("$", r"\$")


def scale(values: Iterable[float]) -> str:
    """The scale of an axis: `log` where values, all of them positive, lie far apart, or `linear`."""
    low, high = min(values := list(values)), max(values)
    return "log" if low > 0 and high / low >= WIDE else "linear"


def logarithmic(axes: Axes) -> None:
    """A logarithmic scale upwards, whose ticks are read as they are: 0.1, 0.2, 0.5, 1."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def legend(drawn: Figure, title: str, colors: Mapping[str, Any], splits: bool) -> None:
    """Say beside a figure whose lines have which colour and, where that is asked for, which style each split has."""
    entries = [Line2D([], [], color=color, label=plain(label)) for label, color in colors.items()]
    if splits:
        entries += [Line2D([], [], linestyle=style, color="0.4", label=name) for name, style in SPLITS.values()]
    drawn.legend(
        handles=entries, title=title, ncols=-(-len(entries) // ROWS), loc="outside right upper", frameon=False,
        fontsize="small", title_fontsize="small", alignment="left",
    )  # fmt: skip
