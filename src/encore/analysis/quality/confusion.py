"""A confusion matrix as a picture."""

import numpy as np
from matplotlib.figure import Figure

from encore.analysis.pictures.colors import INK
from encore.analysis.quality.scores import Scores
from encore.analysis.results.axes import plain

MOST_WRITTEN = 20  # classes whose numbers of examples are written into the cells
CELL = 0.42  # inches


def figure(title: str, found: Scores) -> Figure:
    """True classes in rows, predicted ones in columns; a row's colours are shares of its examples."""
    count, names = len(found.classes), [plain(name) for name in found.classes]
    side = min(10.0, max(2.0, CELL * count))
    drawn = Figure(figsize=(side + 2, side + 1.4), layout="constrained")
    axes = drawn.subplots()
    shares = found.confusion / np.maximum(found.confusion.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= MOST_WRITTEN:
        for (row, column), examples in np.ndenumerate(found.confusion):
            if examples:
                color = "white" if shares[row, column] > 0.5 else INK
                said = str(examples) if found.overlap is None else f"{shares[row, column]:.0%}"  # of pixels, too many
                axes.text(column, row, said, ha="center", va="center", fontsize="x-small", color=color)
        axes.set_xticks(range(count), names, rotation=90 if max(map(len, names)) > 2 else 0, fontsize="small")
        axes.set_yticks(range(count), names, fontsize="small")
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_title(plain(title).replace(", on ", "\non "), fontsize="medium", color=INK)
    axes.spines[:].set_visible(False)
    return drawn
