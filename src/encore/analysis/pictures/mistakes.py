"""Wrongly classified pictures, the most confident errors first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from encore.analysis.ensembles.predictions import outputs
from encore.analysis.pictures.colors import INK, SPLITS
from encore.analysis.pictures.learned import Learned
from encore.analysis.results.axes import plain

COUNT = 24
SIDE, GAP, MARGIN, LINE = 1.2, 0.5, 0.15, 0.17  # inches: of a picture, above it, beside it, of a heading's line
WRONG = "#B34700"  # Okabe and Ito's vermilion, darker: for small letters


@dataclass(frozen=True)
class Mistakes:
    """What is drawn for a run.

    Attributes:
        pictures: raw, [k, height, width] in grey or [k, height, width, 3], where k are drawn.
        targets: their classes, [k].
        predicted: the predicted classes, [k].
        probabilities: of the predicted classes, in descending order, [k].
        wrong: how many there are.
        examples: how many pictures there are.
        classes: names.
    """

    title: str
    split: str
    pictures: np.ndarray
    targets: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    wrong: int
    examples: int
    classes: list[str]


def measure(run: Learned, split: str = "test", count: int = COUNT) -> Mistakes:
    """Find a run's most confident errors.

    Args:
        run: the run.
        split: test, val or train.
        count: maximum number of errors to draw.
    """
    source, indices = run.examples(split)
    found = outputs(run.parts, source, indices)
    targets, predicted = source.targets[indices], run.decision(found)
    sure = run.probabilities(found).gather(1, predicted[:, None])[:, 0]
    wrong = (predicted != targets).nonzero()[:, 0]
    drawn = wrong[sure[wrong].argsort(descending=True, stable=True)][:count]
    return Mistakes(
        run.title, split, in_rows(source.read(indices[drawn].tolist()).numpy()), targets[drawn].numpy(),
        predicted[drawn].numpy(), sure[drawn].numpy(), len(wrong), len(indices), run.classes(),
    )  # fmt: skip


def in_rows(pictures: np.ndarray) -> np.ndarray:
    """Pictures [k, channels, height, width] as matplotlib shows them: the channels last, or none if there is one."""
    return pictures[:, 0] if pictures.shape[1] == 1 else pictures.transpose(0, 2, 3, 1)


def figure(found: Sequence[Mistakes]) -> Figure:
    """One grid of pictures per run, one below the other."""
    columns = max(5, *(math.ceil(math.sqrt(1.5 * len(mistakes.pictures))) for mistakes in found))
    rows = [-(-len(mistakes.pictures) // columns) for mistakes in found]
    heads = [MARGIN + LINE * len(heading(mistakes).splitlines()) for mistakes in found]
    heights = [head + count * (SIDE + GAP) for head, count in zip(heads, rows, strict=True)]
    drawn = Figure(figsize=(MARGIN + columns * (SIDE + MARGIN), sum(heights)))
    parts = drawn.subfigures(len(found), 1, squeeze=False, height_ratios=heights, hspace=0)[:, 0]
    for part, mistakes, count, head, height in zip(parts, found, rows, heads, heights, strict=True):
        part.suptitle(heading(mistakes), fontsize="medium", y=1 - 0.1 / height)
        if count:
            places = part.add_gridspec(
                count, columns, left=MARGIN / drawn.get_figwidth(), right=1 - MARGIN / drawn.get_figwidth(),
                bottom=MARGIN / height, top=1 - (head + GAP - MARGIN) / height, wspace=MARGIN / SIDE, hspace=GAP / SIDE,
            )  # fmt: skip
            grid([part.add_subplot(places[place]) for place in range(len(mistakes.pictures))], mistakes)
    return drawn


def grid(panels: Sequence[Axes], mistakes: Mistakes) -> None:
    """One run's pictures, each with its true class, predicted class and probability."""
    high = 255 if mistakes.pictures.dtype == np.uint8 else mistakes.pictures.max()
    low = min(0, mistakes.pictures.min())
    names = [plain(name) for name in mistakes.classes]
    for place, axes in enumerate(panels):
        picture = mistakes.pictures[place]
        shown = picture if picture.ndim == 2 else (picture - low) / ((high - low) or 1)
        axes.imshow(shown, cmap="gray_r", vmin=low, vmax=high)
        taken = f"→ {names[mistakes.predicted[place]]} ({mistakes.probabilities[place]:.2f})"
        for text, color, above in ((names[mistakes.targets[place]], INK, 15), (taken, WRONG, 3)):
            axes.annotate(
                text, (0.5, 1), xytext=(0, above), textcoords="offset points", xycoords="axes fraction", ha="center",
                va="bottom", fontsize="small", color=color,
            )  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_color("0.8")


def heading(mistakes: Mistakes) -> str:
    """The heading of a run's grid."""
    shown, of = len(mistakes.pictures), f"{mistakes.examples:,} {SPLITS[mistakes.split].name} pictures"
    if not mistakes.wrong:
        return f"{mistakes.title}\nnone of {of} is wrong"
    share = f"{100 * mistakes.wrong / mistakes.examples:.2f} %"
    which = "all of them" if shown == mistakes.wrong else f"the {shown} most confident"
    return (
        f"{mistakes.title}\n{mistakes.wrong:,} of {of} are wrong ({share}); {which}:\n"
        "true class → predicted class and its probability"
    )
