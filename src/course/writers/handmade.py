"""Features of a digit that a graphologist would measure: slant, stroke width and size."""

import numpy as np

NAMES = ("slant", "stroke width", "height", "width")
INK = 0.5  # of full blackness: what belongs to the digit's box


def features(pictures: np.ndarray) -> np.ndarray:
    """The features of pictures, bytes [n, height, width], float64 [n, 4].

    Slant is the shear that makes a digit upright, the covariance of its ink's places over their vertical variance;
    stroke width is twice its ink over the length of its outline, both in pixels; height and width are its box's.
    MNIST's digits have been scaled to fit into a box of 20 × 20 pixels: of their sizes on paper only the proportions
    are left.
    """
    ink = pictures.astype(np.float64) / 255
    rows, columns = (np.arange(length, dtype=np.float64) for length in ink.shape[1:])
    total = np.maximum(ink.sum((1, 2)), 1e-9)
    row = (ink.sum(2) @ rows / total)[:, None] - rows
    column = (ink.sum(1) @ columns / total)[:, None] - columns
    shear = np.einsum("nij,ni,nj->n", ink, row, column) / total
    spread = np.einsum("nij,ni->n", ink, row**2) / total
    outline = sum(np.abs(np.diff(ink, axis=axis)).sum((1, 2)) for axis in (1, 2))
    dark = ink > INK
    boxes = [extent(np.any(dark, axis)) for axis in (2, 1)]
    return np.stack([shear / np.maximum(spread, 1e-9), 2 * total / np.maximum(outline, 1e-9), *boxes], 1)


def extent(there: np.ndarray) -> np.ndarray:
    """From the first true value to the last one, [n], of bool [n, length]."""
    length = there.shape[1]
    return np.where(there.any(1), length - there.argmax(1) - there[:, ::-1].argmax(1), 0).astype(np.float64)


def standardised(found: np.ndarray, digits: np.ndarray, train: np.ndarray, train_digits: np.ndarray) -> np.ndarray:
    """Features as deviations from the training mean of the same digit, in standard deviations, [n, 4].

    Args:
        found: features, [n, 4].
        digits: which digits they are of, [n].
        train: features of training digits, [m, 4].
        train_digits: which digits those are of, [m].
    """
    means = np.stack([
        train[train_digits == digit].mean(0) if (train_digits == digit).any() else train.mean(0) for digit in range(10)
    ])  # fmt: skip
    return (found - means[digits]) / np.maximum((train - means[train_digits]).std(0), 1e-9)
