"""The reviews that a net gets most confidently wrong, as a picture."""

import re
from collections.abc import Iterator
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from course.reviews.mistakes import Mistake, Mistakes
from course.reviews.words import plain as spaced
from encore.analysis.pictures.colors import CLASSES, INK
from encore.analysis.results.axes import plain
from encore.terminal import harmless

PRAISE, BLAME = CLASSES[0], CLASSES[5]
COLUMNS, LINES = 110, 9  # that are shown of a review
WIDE, HIGH = 0.06, 0.16  # inches of a letter's place
FONT, ADVANCE = FontProperties(family="DejaVu Sans Mono"), 0.602  # of its letters, in their size

Word = tuple[int, str, list[float]]  # where in its line it begins, and what each letter contributes, from -1 to 1


def figure(found: Mistakes) -> Figure:
    """Reviews below each other, each word in the colour of what it does to the logit; of long ones the beginning."""
    every = [lines(mistake) for mistake in found.shown]
    rows = 5 + sum(len(held) + 2 for held in every)
    drawn = Figure(figsize=(WIDE * (COLUMNS + 2), HIGH * rows))
    axes = drawn.add_axes((0, 0, 1, 1), xlim=(-1, COLUMNS + 1), ylim=(rows, 0))
    axes.set_axis_off()
    counts = f"{found.count:,} of {found.examples:,} test reviews are wrong; those it is surest of"
    colors = "blue words speak for praise, orange ones for blame"
    axes.text(0, 4, f"{plain(found.title)}\n{counts}\n({colors})", fontsize="medium", va="bottom")
    row = 5
    for mistake, held in zip(found.shown, every, strict=True):
        axes.text(0, row + 0.8, plain(mistake.heading), fontsize="small", va="baseline")
        for place, line in enumerate(held, row + 1):
            for word in line:
                write(axes, place, word)
        row += len(held) + 2
    return drawn


def lines(mistake: Mistake) -> list[list[Word]]:
    """The first lines of what is read of a review."""
    most = max((abs(part) for *_, part in mistake.words), default=0) or 1.0
    text = mistake.review.text
    parts, breaks = [0.0] * len(text), spaced(text)
    for begin, end, part in mistake.words:
        parts[begin:end] = [part / most] * (end - begin)
    wrapped: list[list[Word]] = [[]]
    column = 0
    for found in re.compile(r"\S+").finditer(breaks, mistake.words[0][0] if mistake.words else 0):
        begin, end = found.span()
        if column + end - begin > COLUMNS and wrapped[-1]:
            if len(wrapped) == LINES:
                break
            wrapped.append([])
            column = 0
        wrapped[-1].append((column, text[begin:end], parts[begin:end]))
        column += end - begin + 1
    return wrapped


def write(axes: Axes, row: int, word: Word) -> None:
    """Draw letters by their outlines: they are no label, which may be translated."""
    column, text, parts = word
    for begin, length, part in spans(parts):
        color = PRAISE if part > 0 else BLAME
        axes.add_patch(Rectangle((column + begin, row), length, 1, color=color, alpha=0.6 * abs(part), linewidth=0))
    path = TextPath((0, 0), harmless(text).replace("$", r"\$"), size=1 / ADVANCE, prop=FONT)
    place = Affine2D().scale(1, -WIDE / HIGH).translate(column, row + 0.75) + axes.transData
    axes.add_patch(PathPatch(path, color=INK, linewidth=0, transform=place))


def spans(parts: list[float]) -> Iterator[tuple[int, int, float]]:
    """Where letters that contribute the same begin, how many they are, and what; without those that do nothing."""
    begin = 0
    for part, same in groupby(parts):
        length = len(list(same))
        if part:
            yield begin, length, part
        begin += length
