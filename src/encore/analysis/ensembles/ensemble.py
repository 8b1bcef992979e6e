"""Ensembles of classifiers: joint predictions, their gain, and how much the members disagree.

Everywhere `probabilities` are float64 [members, n, classes] and `targets` class numbers, int64 [n].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

# Random orders in which members join, about; every member comes first in as many of them as any other.
ORDERS = 100


def checked(probabilities: np.ndarray, targets: np.ndarray) -> None:
    """Check the predictions to combine.

    Raises:
        ValueError: shapes do not match, there are no members, or values are not probabilities.
    """
    if probabilities.ndim != 3 or not probabilities.size:
        raise ValueError(f"probabilities are [members, n, classes], not {list(probabilities.shape)}")
    if targets.shape != probabilities.shape[1:2]:
        raise ValueError(f"there are {probabilities.shape[1]} predictions of {len(targets)} targets")
    if not (probabilities >= 0).all() or not np.allclose(probabilities.sum(-1), 1):  # written so that NaN fails, too
        raise ValueError("not all rows are probabilities: finite, at least 0 and adding up to 1")


def average(probabilities: np.ndarray) -> np.ndarray:
    """The members' mean, [n, classes] (a linear opinion pool: Stone 1961)."""
    return probabilities.mean(0)


def votes(probabilities: np.ndarray) -> np.ndarray:
    """How many members choose each class, [n, classes]; ties within a member go to the lowest class number."""
    classes = np.arange(probabilities.shape[-1])
    return (probabilities.argmax(-1)[..., None] == classes).sum(0)


def elected(ballots: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The class with the most votes, [n].

    Ties go to the higher mean probability, then to the lower class number.

    Args:
        ballots: votes or their weights, [n, classes].
        mean: the members' mean probabilities, or any multiple of them, [n, classes].
    """
    most = ballots == ballots.max(-1, keepdims=True)
    return np.where(most, mean, -1.0).argmax(-1)


# What an ensemble predicts, [n], of the sums of votes and of probabilities, each [n, classes].
HOW: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "probabilities": lambda ballots, total: total.argmax(-1),
    "votes": elected,
}


def predicted(probabilities: np.ndarray, how: str) -> np.ndarray:
    """The ensemble's classes, [n], by the average of `probabilities` or by `votes`."""
    return HOW[how](votes(probabilities), average(probabilities))


def log_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The negative logarithm of each target's probability, in nats, [n], of probabilities [n, classes].

    A probability of 0 counts as the smallest normal number, 2.2e-308.
    """
    chosen = probabilities[np.arange(len(targets)), targets]
    return -np.log(np.maximum(chosen, np.finfo(np.float64).tiny))


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """In nats, over the last axis; 0 log 0 is 0."""
    safe = np.where(probabilities > 0, probabilities, 1.0)
    return -(probabilities * np.log(safe)).sum(-1) + 0.0  # not -0.0


@dataclass(frozen=True)
class Uncertainty:
    """The uncertainty of an ensemble's predictions in nats, [n] each; `total` = `expected` + `mutual`.

    Depeweg et al. 2018, "Decomposition of uncertainty in Bayesian deep learning", equation 2; the mutual information
    between prediction and member is that of Houlsby et al. 2011.

    Attributes:
        total: entropy of the members' mean.
        expected: mean of the members' entropies: the uncertainty they share.
        mutual: their disagreement; 0 where all predict the same probabilities.
    """

    total: np.ndarray
    expected: np.ndarray
    mutual: np.ndarray


def uncertainty(probabilities: np.ndarray) -> Uncertainty:
    """Split the predictive entropy into shared uncertainty and disagreement."""
    total, expected = entropy(average(probabilities)), entropy(probabilities).mean(0)
    return Uncertainty(total, expected, total - expected)


def disagreement(probabilities: np.ndarray) -> float:
    """The share of examples for which two members choose different classes, mean over all pairs; 0 for one member.

    The disagreement measure of Kuncheva & Whitaker 2003.
    """
    members, ballots = len(probabilities), votes(probabilities)
    pairs = members * (members - 1)
    return float(1 - (ballots * (ballots - 1)).sum(-1).mean() / pairs) if pairs else 0.0


def by_size(probabilities: np.ndarray, targets: np.ndarray, how: str, seed: int = 0) -> np.ndarray:
    """Accuracy of the first 1, 2, … members in random orders, [orders, members].

    The orders are random ones with all their rotations, so that at any size all members count equally.
    """
    members, generator = len(probabilities), np.random.default_rng(seed)
    ballots = probabilities.argmax(-1)[..., None] == np.arange(probabilities.shape[-1])
    drawn = [generator.permutation(members) for _ in range(-(-ORDERS // members))]
    orders = [np.roll(order, first) for order in drawn for first in range(members)]
    shown = tqdm(orders, "joining", unit=" orders", leave=False, disable=None, delay=1)
    chosen = (HOW[how](ballots[order].cumsum(0), probabilities[order].cumsum(0)) for order in shown)
    return np.array([(classes == targets).mean(1) for classes in chosen])


def most_certain_first(uncertain: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Accuracy among the 1, 2, … n most certain examples, [n] (Nadeem et al. 2009); ties stay in their order.

    Args:
        uncertain: how uncertain a prediction is, [n].
        right: whether it is right, [n].
    """
    return right[np.argsort(uncertain, kind="stable")].cumsum() / np.arange(1, len(right) + 1)
