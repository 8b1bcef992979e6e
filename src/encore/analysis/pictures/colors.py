"""Colours and markers that work for the colour-blind and in black and white."""

from typing import NamedTuple

from matplotlib.colors import to_rgb

INK = "0.15"
# Okabe and Ito 2008, without their black.
CLASSES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
MARKERS = "os^DvP*X<>"


class Look(NamedTuple):
    """How a split is drawn."""

    name: str
    color: str
    marker: str


SPLITS = {
    "train": Look("training", "#0072B2", "o"),
    "val": Look("validation", "#E69F00", "s"),
    "test": Look("test", "#009E73", "^"),
}


def color_of(number: int) -> str:
    return CLASSES[number % len(CLASSES)]


def marker_of(number: int) -> str:
    return MARKERS[number % len(MARKERS)]


def pale(number: int, share: float = 0.55) -> tuple[float, float, float]:
    """A class's colour mixed with white, as a background for its markers."""
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(color_of(number)))
    return red, green, blue
