"""Which examples are for training, validation and test: a function of the split's seed and the classes alone."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from encore.errors import ConfigError
from encore.seeding import derive


@dataclass(frozen=True)
class Split:
    """Indices into a source, int64, ascending and disjoint."""

    train: Tensor
    val: Tensor
    test: Tensor


def stratified(targets: Tensor, *, val: float, test: float, fraction: float, seed: int) -> Split:
    """Split by class, so that every part has the proportions of the whole.

    Args:
        targets: class numbers, [n].
        val: fraction of all examples for validation.
        test: fraction of all examples for test.
        fraction: fraction of the remaining training examples that is used. A smaller fraction is a subset of
            a larger one, and validation and test do not depend on it.
        seed: of the split alone.

    Raises:
        ConfigError: nothing is left to train on.
    """
    generator = torch.Generator().manual_seed(derive(seed, "split"))
    order = torch.randperm(len(targets), generator=generator).numpy()
    rank = relative_rank(targets.numpy()[order])
    held_out = val + test
    used = held_out + (1 - held_out) * fraction
    test_part = rank < test
    val_part = (rank >= test) & (rank < held_out)
    train_part = (rank >= held_out) & (rank < used)
    split = Split(*(torch.from_numpy(np.sort(order[part])) for part in (train_part, val_part, test_part)))
    for part, share in (("train", fraction), ("val", val), ("test", test)):
        if share > 0 and not len(getattr(split, part)):
            raise ConfigError(f"the {part} split of {len(targets)} examples is empty: raise its fraction")
    return split


def relative_rank(targets: np.ndarray) -> np.ndarray:
    """Each example's place within its class, from 0 to 1, [n] in float64.

    The middle of its slot, shifted by a class's share of one slot: over all classes the parts then have the
    sizes that the fractions ask for, to one example, instead of one example off in each class.
    """
    rank = np.empty(len(targets))
    classes = np.unique(targets)
    for number, label in enumerate(classes):
        members = np.flatnonzero(targets == label)
        shift = (number + 0.5) / len(classes)
        rank[members] = (np.arange(len(members)) + shift) / len(members)
    return rank
