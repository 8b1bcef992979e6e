"""Which classes are taken for which."""

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image

from encore.callbacks.views.drawing import BLUE, FAINT, INK, LINE, PAPER, as_array, canvas, fitted, font, upwards
from encore.callbacks.views.predictions import Predictions, PredictionView
from encore.callbacks.views.view import last_step, show

MOST = 30  # classes in the picture and the table
MARGIN = 10
NAMES = 130  # pixels


class Confusion(PredictionView):
    """Show the confusion matrix of the test examples by the best weights, and a table of each class's accuracy.

    A row has the examples of one class, in percent. Of more than 30 classes those with the lowest accuracy are shown.
    """

    def show(self, trainer: pl.Trainer, tested: Predictions) -> None:
        counts, step = confusion(tested), last_step(trainer)
        show(trainer, "show_image", "mistakes/confusion", drawn(counts, tested.names), step)
        show(trainer, "show_text", "test/accuracy_by_class", table(counts, tested.names), step)


def confusion(tested: Predictions) -> np.ndarray:
    """Examples by true and predicted class, int64 [classes, classes]."""
    number = len(tested.names)
    return torch.bincount(tested.truth * number + tested.predicted, minlength=number**2).reshape(number, -1).numpy()


def shown(counts: np.ndarray) -> np.ndarray:
    """The classes that are shown, in order: all, or those with the lowest accuracy."""
    if len(counts) <= MOST:
        return np.arange(len(counts))
    accuracy = np.where(counts.sum(1) > 0, counts.diagonal() / counts.sum(1).clip(1), np.inf)
    return np.sort(accuracy.argsort(kind="stable")[:MOST])


def drawn(counts: np.ndarray, names: list[str]) -> np.ndarray:
    """A picture of the matrix, its rows in percent."""
    which = shown(counts)
    shares = counts[np.ix_(which, which)] / counts[which].sum(1, keepdims=True).clip(1)
    cell = 40 if len(which) <= 12 else 24
    labels = [fitted(names[each], NAMES) for each in which]
    side = int(max(font().getlength(label) for label in labels)) + MARGIN
    left, top, size = MARGIN + LINE + side, MARGIN + LINE, cell * len(which)
    whole, draw = canvas(max(left + size + MARGIN, 330), top + size + side + LINE + MARGIN)
    some = "" if len(which) == len(counts) else f", the {len(which)} least accurate of {len(counts):,} classes"
    draw.text((MARGIN, 4), fitted(f"Test examples of each class, in percent{some}", whole.width), INK, font())
    colours = PAPER + shares[..., None] * (np.array(BLUE) - PAPER)
    whole.paste(Image.fromarray(colours.astype(np.uint8).repeat(cell, 0).repeat(cell, 1)), (left, top))
    draw.rectangle((left - 1, top - 1, left + size, top + size), outline=FAINT)
    for row, label in enumerate(labels):
        middle = cell * row + cell // 2
        draw.text((left - 6, top + middle), label, INK, font(), anchor="rm")
        whole.paste(upward := upwards(label), (left + middle - upward.width // 2, top + size + 6))
        for column, share in enumerate(shares[row]):
            if cell >= 40 and round(100 * share):
                place = left + cell * column + cell // 2, top + middle
                draw.text(place, f"{100 * share:.0f}", PAPER if share > 0.5 else INK, font(), anchor="mm")
    draw.text((left + size // 2, whole.height - 4), "predicted", BLUE, font(), anchor="mb")
    whole.paste(turned := upwards("true class"), (4, top + (size - turned.height) // 2))
    return as_array(whole)


def table(counts: np.ndarray, names: list[str]) -> str:
    """Each class's accuracy and what it is mostly taken for, the least accurate first, in Markdown."""
    rows = []
    for each in shown(counts):
        total = int(counts[each].sum())
        if total:
            wrong = np.where(np.arange(len(counts)) == each, 0, counts[each])
            other = f"{plain(names[wrong.argmax()])} ({wrong.max() / total:.1%})" if wrong.any() else ""
            rows.append((counts[each, each] / total, plain(names[each]), total, other))
    lines = [f"| {name} | {accuracy:.4f} | {total:,} | {other} |" for accuracy, name, total, other in sorted(rows)]
    return "\n".join(["| class | accuracy | test examples | mostly taken for |", "| --- | --- | --- | --- |", *lines])


def plain(name: str) -> str:
    """A name that Markdown leaves alone."""
    return " ".join(name.replace("|", "/").split())
