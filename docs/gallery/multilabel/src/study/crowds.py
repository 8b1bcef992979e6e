"""Pictures with several digits, and which digits are on them."""

import numpy as np
from sklearn.datasets import load_digits


class Crowds:
    """Four digits in a square, each of which is left out with probability 1/2.

    Args:
        examples: how many pictures.
        first: of scikit-learn's digits that are drawn from.
        last: the one after the last of them.
        seed: of the draws.
    """

    def __init__(self, examples: int, first: int, last: int, seed: int) -> None:
        digits, draw = load_digits(), np.random.default_rng(seed)
        chosen = draw.integers(first, last, (examples, 2, 2))
        there = draw.random(chosen.shape) < 0.5
        tiles = digits.images[chosen] * there[..., None, None]
        # [n, row, column, y, x] → [n, 1, row and y, column and x]
        self.pictures = (tiles.transpose(0, 1, 3, 2, 4).reshape(examples, 1, 16, 16) * 15).astype(np.uint8)
        self.labels = np.zeros((examples, 10), np.float32)
        example, *place = np.nonzero(there)
        self.labels[example, digits.target[chosen[example, *place]]] = 1
