"""The bootstrap: training examples drawn with replacement, all alike or by weights (Efron 1979; Breiman 1996)."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encore.errors import InputError
from encore.seeding import derive


def bootstrap(pool: Tensor, number: int, seed: int, weights: np.ndarray | None = None) -> Tensor:
    """Draw as many examples as there are.

    Args:
        pool: indices of the examples, int64 [n].
        number: of the draw; different numbers give independent draws.
        seed: of the split.
        weights: of every example of the source, float64, as by `read_weights`; None draws all alike.

    Returns:
        Indices, int64 [n], in the order of the pool.

    Raises:
        InputError: no example of the pool has any weight.
    """
    shares = np.ones(len(pool)) if weights is None else weights[pool.numpy()]
    whole = np.cumsum(shares)  # sequential: the same sums everywhere
    if not whole[-1] > 0:
        raise InputError("data.weights.path gives no training example any weight: at least one must be above 0")
    generator = torch.Generator().manual_seed(derive(seed, "bootstrap", number))
    drawn = torch.rand(len(pool), dtype=torch.float64, generator=generator).numpy()
    places = np.searchsorted(whole / whole[-1], drawn, side="right")  # to the right, nothing falls on a weight of 0
    return pool[torch.from_numpy(np.sort(places))]


def read_weights(path: Path, examples: int) -> np.ndarray:
    """Weights of examples, float64 [examples], at least 0 and finite.

    They cover the whole source, not just its training part, so that one file serves every split and fold and matches
    the indices of predictions.

    Raises:
        InputError: the file is missing or broken, or holds something else.
    """
    asked = f"one number, at least 0, for each of the {examples:,} examples of the training source"
    remedy = f"data.weights.path={path} must hold {asked}: numpy.save({path.name!r}, weights)"
    if not path.is_file():  # a pipe might never end
        raise InputError(
            f"there is no file {path}, by which data.bootstrap draws\n"
            "bring it back, or data.weights.path names another; without it all are drawn alike"
        )
    try:
        held = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as problem:
        raise InputError(f"{path} cannot be read: {problem}\n{remedy}") from problem
    if not isinstance(held, np.ndarray) or held.dtype.kind not in "fiu":
        raise InputError(f"{path} is not an array of numbers\n{remedy}")
    if held.shape != (examples,):
        raise InputError(f"{path} has the shape {list(held.shape)}, not [{examples}]\n{remedy}")
    weights = held.astype(np.float64)
    with np.errstate(over="ignore"):
        usable = (weights >= 0).all() and np.isfinite(weights.sum())  # written so that NaN fails, too
    if not usable:
        raise InputError(f"{path} has a weight that is negative or not finite\n{remedy}")
    return weights
