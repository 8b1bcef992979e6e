"""Pairs of sets of digits, by one writer or by two, and how well scores tell the ones from the others."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pairs:
    """Pairs of sets of k digits.

    Attributes:
        left: places of the digits of each pair's first set, int64 [pairs, k].
        right: of its second one; no digit is in both.
        writers: of both sets, int64 [pairs, 2].
        left_out: writers with fewer than 2 k digits.
    """

    left: np.ndarray
    right: np.ndarray
    writers: np.ndarray
    left_out: int

    @property
    def same(self) -> np.ndarray:
        return self.writers[:, 0] == self.writers[:, 1]


def draw(writers: np.ndarray, k: int, each: int, seed: int = 0, groups: np.ndarray | None = None) -> Pairs:
    """Draw `each` pairs of one writer and `each` of two, for every writer with at least 2 k digits.

    Args:
        writers: of the digits, int64 [n].
        k: digits of a set.
        each: pairs of either kind.
        seed: of the draws.
        groups: of the digits, [n]: the other writer is of the same group; None: any.

    Raises:
        ValueError: there are not two such writers.
    """
    generator = np.random.default_rng([seed, k])
    order = np.argsort(writers, kind="stable")
    names, starts, counts = np.unique(writers[order], return_index=True, return_counts=True)
    several = counts >= 2 * k
    digits = {int(name): order[start : start + count] for name, start, count in
              zip(names[several], starts[several], counts[several], strict=True)}  # fmt: skip
    group = {name: 0 if groups is None else int(groups[held[0]]) for name, held in digits.items()}
    beside = {name: [other for other in digits if other != name and group[other] == group[name]] for name in digits}
    found = []
    for name in [name for name in digits if beside[name]]:
        for _ in range(each):
            both = generator.permutation(digits[name])[: 2 * k]
            found.append((both[:k], both[k:], name, name))
            other = beside[name][generator.integers(len(beside[name]))]
            mine, others = (generator.permutation(digits[one])[:k] for one in (name, other))
            found.append((mine, others, name, other))
    if not found:
        raise ValueError(f"fewer than two writers have {2 * k} digits, which pairs of {k} take")
    left, right, one, two = zip(*found, strict=True)
    return Pairs(np.stack(left), np.stack(right), np.stack([one, two], 1), len(names) - int(several.sum()))


def draw_alike(
    writers: np.ndarray, digits: np.ndarray, k: int, each: int, seed: int = 0, groups: np.ndarray | None = None
) -> Pairs:
    """The same, but all digits of a pair are the same one, such as 3; `each` pairs for every digit.

    Args:
        digits: which digits they are, [n].
    """
    found = []
    for digit in np.unique(digits):
        places = np.flatnonzero(digits == digit)
        try:
            pairs = draw(writers[places], k, each, seed, None if groups is None else groups[places])
        except ValueError:
            continue
        found.append((places[pairs.left], places[pairs.right], pairs.writers))
    if not found:
        raise ValueError(f"fewer than two writers have {2 * k} of one digit, which pairs of {k} take")
    left, right, both = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Pairs(left, right, both, len(np.unique(writers)) - len(np.unique(both)))


def nearness(embedded: np.ndarray, pairs: Pairs) -> np.ndarray:
    """How near the means of the two sets' embeddings are, [pairs]: minus their distance."""
    return -np.linalg.norm(embedded[pairs.left].mean(1) - embedded[pairs.right].mean(1), axis=1)


def rates(scores: np.ndarray, same: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area under the ROC curve, and equal error rate, for each row of weights.

    Args:
        scores: higher where a pair is more surely of one writer, [pairs].
        same: whether it is, [pairs].
        weights: of the pairs, [rows, pairs].

    Returns:
        Both [rows]. Pairs with equal scores count half; the error rate is read off the straight line between two
        thresholds.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # equal scores fall together
    weights = weights[:, order]
    accepted = [np.cumsum(weights * which, 1)[:, ends] for which in (same[order], ~same[order])]
    hits, alarms = (np.pad(each / each[:, -1:], ((0, 0), (1, 0))) for each in accepted)
    area = ((hits[:, 1:] + hits[:, :-1]) / 2 * np.diff(alarms, axis=1)).sum(1)
    gap = alarms + hits - 1  # from -1 to 1, and never falling: misses are 1 - hits
    after = np.argmax(gap >= 0, 1)
    rows = np.arange(len(gap))
    share = -gap[rows, after - 1] / (gap[rows, after] - gap[rows, after - 1])
    return area, alarms[rows, after - 1] + share * (alarms[rows, after] - alarms[rows, after - 1])


def resampled(pairs: Pairs, draws: int, seed: int = 0) -> np.ndarray:
    """Weights of the pairs where writers are drawn with replacement, [draws, pairs].

    A pair of one writer counts as often as that writer is drawn, a pair of two as often as the one times the other.
    """
    names, places = np.unique(pairs.writers, return_inverse=True)
    places = places.reshape(pairs.writers.shape)
    times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    first, second = times[:, places[:, 0]], times[:, places[:, 1]]
    return np.where(pairs.same, first, first * second).astype(np.float64)
