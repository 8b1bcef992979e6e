"""Pairs of digits: is it the same one?"""

import numpy as np
from sklearn.datasets import load_digits


class Pairs:
    """Two pictures of scikit-learn's digits, of one class in half of the pairs.

    Args:
        pairs: how many.
        first: of the pictures that are drawn from.
        last: the one after the last of them.
        seed: of the draws.
    """

    classes = ("different", "same")

    def __init__(self, pairs: int, first: int, last: int, seed: int) -> None:
        digits, draw = load_digits(), np.random.default_rng(seed)
        pictures, classes = digits.images[first:last, None] * 15, digits.target[first:last]
        self.same = np.arange(pairs) % 2
        left = draw.integers(0, len(classes), pairs)
        fitting = [np.flatnonzero((classes == classes[one]) == same) for one, same in zip(left, self.same, strict=True)]
        right = np.array([draw.choice(ones) for ones in fitting])
        self.left, self.right = pictures[left].astype(np.uint8), pictures[right].astype(np.uint8)
