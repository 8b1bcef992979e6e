"""Data that are made, each a function of its settings alone."""

from types import SimpleNamespace

import numpy as np
from sklearn.datasets import load_digits, make_moons


def moons(examples: int, noise: float, seed: int) -> SimpleNamespace:
    """Two half moons in the plane: inputs [examples, 2], each off by normal noise; classes [examples]."""
    inputs, targets = make_moons(examples, noise=noise, random_state=seed)
    return SimpleNamespace(data=inputs, targets=targets)


def wave(examples: int, noise: float, seed: int) -> SimpleNamespace:
    """sin πx at random places from -1 to 1: inputs [examples, 1]; targets [examples], each off by normal noise."""
    random = np.random.default_rng(seed)
    inputs = random.uniform(-1, 1, (examples, 1))
    return SimpleNamespace(data=inputs, targets=np.sin(np.pi * inputs[:, 0]) + random.normal(0, noise, examples))


def mislabelled_digits(share: float, seed: int) -> SimpleNamespace:
    """scikit-learn's digits [1797, 8, 8]; a share of the labels is drawn anew from the nine other classes."""
    if not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1, not {share}")
    held, random = load_digits(), np.random.default_rng(seed)
    wrong = random.random(len(held.target)) < share
    moved = (held.target + random.integers(1, 10, len(held.target))) % 10
    return SimpleNamespace(data=held.images, targets=np.where(wrong, moved, held.target))
