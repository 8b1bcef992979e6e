"""The look of figures: axes, scales, labels and legends."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from encore.terminal import harmless

WIDE = 30  # ratio of largest to smallest value above which a logarithmic axis is better
LONGEST = 120  # characters of a label
LINE = 40  # of them in a line, where a label stands beside axes
ROWS = 16  # of a legend's column
# Each split's label and line style.
SPLITS: dict[str, tuple[str, Literal["-", "--"]]] = {"val": ("validation", "-"), "train": ("training", "--")}


def tidy(axes: Axes) -> None:
    """Draw a light grid and no frame."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def plain(label: str) -> str:
    """Escape a label for matplotlib, which hides labels that start with _."""
    label = harmless(label)
    label = label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
    return (f" {label}" if label.startswith("_") else label).replace("$", r"\$")


def beside(label: str) -> str:
    """A label that stands beside axes, in lines that leave room for them."""
    return textwrap.fill(plain(label), LINE, break_long_words=False, break_on_hyphens=False)


def scale(values: Iterable[float]) -> str:
    """The scale for an axis: `log` if values are positive and far apart, else `linear`."""
    low, high = min(values := list(values)), max(values)
    return "log" if low > 0 and high / low >= WIDE else "linear"


def logarithmic(axes: Axes) -> None:
    """Make the y axis logarithmic, with plain tick labels: 0.1, 0.2, 0.5, 1."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def legend(drawn: Figure, title: str, colors: Mapping[str, Any], splits: bool) -> None:
    """Add a legend beside a figure: what each colour means and, if asked for, each split's line style."""
    entries = [Line2D([], [], color=color, label=beside(label)) for label, color in colors.items()]
    if splits:
        entries += [Line2D([], [], linestyle=style, color="0.4", label=name) for name, style in SPLITS.values()]
    drawn.legend(
        handles=entries, title=beside(title), ncols=-(-len(entries) // ROWS), loc="outside right upper", frameon=False,
        fontsize="small", title_fontsize="small", alignment="left",
    )  # fmt: skip
