"""Statistics over repetitions, such as seeds: how a metric spreads, and whether two settings differ in it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit  # Student's t; scipy.stats takes thrice as long to import

CONFIDENCE = 0.95
EXACT = 20  # pairs up to which all signs are enumerated: 2**19 sums, 4 MiB
DRAWS = 100_000
BLOCK = 64  # random signs are drawn for so many more pairs at a time


@dataclass(frozen=True)
class Summary:
    """A metric over repetitions.

    Attributes:
        std: of the sample (ddof 1); None at n = 1.
        low: end of the mean's t-interval at `CONFIDENCE`; None at n = 1.
        high: the other end.
        values: in the order given.
    """

    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None
    values: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """How b differs from a.

    The interval is Student's even if p is from the sign-flip test: the two can disagree about 0.

    Attributes:
        difference: mean of b minus mean of a; over the pairs where it is paired.
        low: end of the difference's t-interval at `CONFIDENCE`.
        high: the other end.
        p: two-sided.
        smallest_p: the least that so many pairs can give; None for Welch.
        n: pairs; None for Welch.
        method: for a table.
    """

    difference: float
    low: float
    high: float
    p: float
    smallest_p: float | None
    paired: bool
    n: int | None
    method: str


def summary(values: Iterable[float]) -> Summary:
    """Mean, standard deviation and t-interval.

    Raises:
        ValueError: there are no values, or one is not finite: a diverged run is reported, never averaged.
    """
    sample = finite(values)
    n = len(sample)
    if n == 0:
        raise ValueError("there are no values to summarise")
    if n == 1:
        return Summary(1, float(sample[0]), None, None, None, (float(sample[0]),))
    mean, std = moments(sample)
    return Summary(n, mean, std, *t_interval(mean, std / math.sqrt(n), n - 1), tuple(sample.tolist()))


def compare(a: Mapping[Any, float], b: Mapping[Any, float], over: str = "seeds") -> Comparison | None:
    """Compare two settings' values by repetition, such as the seed.

    Paired by seed with the sign-flip test where the smaller group has at least two seeds and the larger has all of
    them; the larger group's other seeds are left out. Otherwise Welch's t-test, over all values: seeds that are shared
    then count as independent, which errs towards a larger p where they correlate positively.

    Args:
        a: the values of the first, by what tells its repetitions apart.
        b: those of the second.
        over: what several repetitions are called.

    Returns:
        None if only Welch's t-test is left and impossible: a group has fewer than two values, or neither has spread.

    Raises:
        ValueError: a value is not finite.
    """
    first, second = finite(a.values()), finite(b.values())
    shared = sorted(a.keys() & b.keys())  # p from random signs must not depend on the order of the runs
    if len(shared) >= 2 and len(shared) == min(len(a), len(b)):
        beyond = f" of {max(len(a), len(b))}" if len(a) != len(b) else ""
        pairs = np.array([(a[seed], b[seed]) for seed in shared], np.float64)
        return paired(pairs, f"paired sign-flip, {len(shared)}{beyond} {over}")
    return welch(first, second, f"Welch, {over} shared: {len(shared)}" if shared else "Welch")


def holm(p_values: Sequence[float]) -> list[float]:
    """Step-down adjusted p (Holm 1979), in the order given.

    Raises:
        ValueError: one is outside [0, 1].
    """
    p = np.array(p_values, np.float64)
    if not ((p >= 0) & (p <= 1)).all():  # written so that NaN fails, too
        raise ValueError(f"p is from 0 to 1: {list(p_values)}")
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return adjusted.tolist()


def finite(values: Iterable[float]) -> np.ndarray:
    """As float64 [n]; ValueError where one is not finite."""
    sample = np.array(list(values), np.float64)
    if not np.isfinite(sample).all():
        raise ValueError(f"not every value is finite: {sample.tolist()}")
    return sample


def moments(sample: np.ndarray) -> tuple[float, float]:
    """Mean and sample standard deviation of [n], n ≥ 2."""
    offsets = sample - sample[0]  # for equal values the deviation is 0, not the rounding error of their mean
    return float(sample[0] + offsets.mean()), float(offsets.std(ddof=1))


def t_interval(center: float, error: float, df: float) -> tuple[float, float]:
    """Ends of the interval of an estimate with this standard error."""
    half = float(stdtrit(df, (1 + CONFIDENCE) / 2)) * error
    return center - half, center + half


def paired(pairs: np.ndarray, method: str) -> Comparison:
    """Compare within pairs, float64 [n, 2] with n ≥ 2."""
    n = len(pairs)
    differences = pairs[:, 1] - pairs[:, 0]
    mean, std = moments(differences)
    # Metrics are float32: accuracies whose counts differ by as much give differences that do not quite. Each sum of
    # differences is off by up to half an epsilon of the values, and it takes two to make a tie.
    tie = float(np.finfo(np.float32).eps) * float(np.abs(pairs).sum())
    p, smallest_p = sign_flip(differences, tie)
    return Comparison(mean, *t_interval(mean, std / math.sqrt(n), n - 1), p, smallest_p, True, n, method)


def sign_flip(differences: np.ndarray, tie: float) -> tuple[float, float]:
    """Two-sided sign-flip test of the mean difference (Fisher 1935; Pitman 1937).

    Exact up to `EXACT` differences; beyond them from `DRAWS` random signs, always the same ones, with the observed
    signs counted as one more (Phipson & Smyth 2010), so that p is never 0.

    Args:
        differences: float64 [n].
        tie: sums no further apart than this are equal.

    Returns:
        p, and the smallest that n differences can give: 2 / 2**n, or 1 / (DRAWS + 1).
    """
    exact = len(differences) <= EXACT
    sums = (enumerated if exact else drawn)(differences)
    extreme = np.count_nonzero(np.abs(sums) >= abs(differences.sum()) - tie)
    added = 0 if exact else 1
    return (extreme + added) / (len(sums) + added), 1 / (len(sums) + added)


def enumerated(differences: np.ndarray) -> np.ndarray:
    """The sums under all signs [2**(n-1)]: the first sign stays, as flipping all leaves a sum's size alone."""
    sums = differences[:1]
    for difference in differences[1:]:
        sums = np.concatenate([sums + difference, sums - difference])
    return sums


def drawn(differences: np.ndarray) -> np.ndarray:
    """The sums under random signs [DRAWS]."""
    sums = np.zeros(DRAWS)
    for difference, signs in zip(differences, random_signs(len(differences)), strict=True):
        sums += difference * signs
    return sums


@lru_cache(maxsize=4)
def random_signs(n: int) -> np.ndarray:
    """1 and -1, int8 [n, DRAWS], always the same ones."""
    return block_of_signs(-(-n // BLOCK) * BLOCK)[:n]


@lru_cache(maxsize=2)
def block_of_signs(n: int) -> np.ndarray:
    """The same for a multiple of `BLOCK`, as groups of nearly one size share them."""
    generator, signs = np.random.default_rng(0), np.empty((n, DRAWS), np.int8)
    for row in signs:
        row[:] = generator.integers(2, size=DRAWS)
    signs *= 2
    signs -= 1
    return signs


def welch(a: np.ndarray, b: np.ndarray, method: str) -> Comparison | None:
    """Welch's t-test (1947) of [n] and [m]; None where it is impossible."""
    sizes = np.array([len(a), len(b)])
    if sizes.min() < 2:
        return None
    (mean_a, std_a), (mean_b, std_b) = moments(a), moments(b)
    errors = np.array([std_a, std_b]) / np.sqrt(sizes)
    error, difference = math.hypot(*errors), mean_b - mean_a
    if error == 0:
        return None
    df = 1 / float(((errors / error) ** 4 / (sizes - 1)).sum())
    p = 2 * float(stdtr(df, -abs(difference) / error))
    return Comparison(difference, *t_interval(difference, error, df), p, None, False, None, method)
