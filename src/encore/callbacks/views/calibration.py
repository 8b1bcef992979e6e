"""Whether probabilities mean what they say."""

import numpy as np
import pytorch_lightning as pl

from encore.callbacks.views.drawing import BLUE, FAINT, INK, LINE, ORANGE, as_array, canvas, font, upwards
from encore.callbacks.views.predictions import Predictions, PredictionView
from encore.callbacks.views.view import last_step, show

BINS = 15
SIDE, LEFT, LOW = 360, 56, 80  # pixels: of the square, left of it, and of the bars below it


class Calibration(PredictionView):
    """Show a reliability diagram of the test examples and the expected calibration error (ECE).

    Examples are divided by the probability of their predicted class into 15 bins of equal width; ECE is the mean over
    examples of the difference between their bin's mean probability and its accuracy (Guo et al. 2017).
    """

    def show(self, trainer: pl.Trainer, tested: Predictions) -> None:
        sure, right = tested.confidence.double().numpy(), (tested.predicted == tested.truth).numpy()
        counts, confidence, accuracy = binned(sure, right)
        error = expected_error(counts, confidence, accuracy)
        step = last_step(trainer)
        show(trainer, "show_image", "mistakes/reliability", drawn(counts, confidence, accuracy, error), step)
        show(trainer, "show_scalars", {"test/ece": error}, step)


def binned(sure: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each bin: how many examples, their mean probability, and the share of them that is right; 0 without any."""
    places = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    sums = (np.bincount(places, weights=values, minlength=BINS) for values in (sure, right.astype(np.float64)))
    confidence, accuracy = (total / counts.clip(1) for total in sums)
    return counts, confidence, accuracy


def expected_error(counts: np.ndarray, confidence: np.ndarray, accuracy: np.ndarray) -> float:
    """The expected calibration error of bins; `encore evaluate --full` has the same, by torchmetrics."""
    return float((counts * np.abs(confidence - accuracy)).sum() / counts.sum())


def drawn(counts: np.ndarray, confidence: np.ndarray, accuracy: np.ndarray, error: float) -> np.ndarray:
    """Accuracy against probability: on the diagonal, they agree. Below, how many examples there are."""
    whole, draw = canvas(LEFT + SIDE + 16, LINE + SIDE + LOW + 3 * LINE)
    top, bottom = LINE + 6, LINE + 6 + SIDE
    draw.text((8, 4), f"Expected calibration error {error:.4f}", INK, font())
    draw.rectangle((LEFT, top, LEFT + SIDE, bottom), outline=FAINT)
    draw.line((LEFT, bottom, LEFT + SIDE, top), fill=FAINT, width=2)
    floor = bottom + 10 + LOW
    for place in np.flatnonzero(counts).tolist():
        left, right = LEFT + SIDE * place // BINS + 2, LEFT + SIDE * (place + 1) // BINS - 2
        level, mean = bottom - int(SIDE * accuracy[place]), bottom - int(SIDE * confidence[place])
        draw.rectangle((left, level, right, bottom), fill=BLUE)
        draw.rectangle((left, min(level, mean), right, max(level, mean)), outline=ORANGE, width=2)
        height = int((LOW - 4) * counts[place] / counts.max())
        draw.rectangle((left, floor - max(1, height), right, floor), fill=FAINT)
    for share in (0.0, 0.5, 1.0):
        draw.text((LEFT - 6, bottom - SIDE * share), f"{share:g}", INK, font(), anchor="rm")
        draw.text((LEFT + SIDE * share, floor + 4), f"{share:g}", INK, font(), anchor="mt")
    for text, middle in (("accuracy", (top + bottom) // 2), ("examples", floor - LOW // 2)):
        whole.paste(turned := upwards(text), (6, middle - turned.height // 2))
    draw.text((LEFT + SIDE // 2, floor + LINE + 6), "probability of the predicted class", INK, font(), anchor="mt")
    return as_array(whole)
