import itertools
import math

import numpy as np
import pytest
from scipy import stats

from encore.analysis.results.statistics import DRAWS, compare, holm, summary


def seeded(values, first=0):
    return dict(enumerate(map(float, values), first))


def from_zero(differences):
    """The comparison of paired differences."""
    return compare(seeded([0] * len(differences)), seeded(differences))


def normal(n, mean=0.0, scale=1.0, seed=0):
    return np.random.default_rng(seed).normal(mean, scale, n).tolist()


# --- summary


def test_summary_by_hand():
    # mean 5, squares 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32; t(0.975, 7) = 2.3646 from a printed table
    held = summary([2, 4, 4, 4, 5, 5, 7, 9])
    half = 2.3646 * math.sqrt(32 / 7) / math.sqrt(8)
    assert (held.n, held.mean, held.values) == (8, 5, (2, 4, 4, 4, 5, 5, 7, 9))
    assert held.std == pytest.approx(math.sqrt(32 / 7))
    assert (held.low, held.high) == pytest.approx((5 - half, 5 + half), abs=1e-4)


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_the_interval_is_scipys(n):
    values = normal(n, mean=0.9, scale=0.01)
    held = summary(values)
    expected = stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=stats.sem(values))
    assert (held.low, held.high) == pytest.approx(expected, rel=1e-12)


def test_one_value_has_no_spread():
    held = summary([0.97])
    assert (held.n, held.mean, held.values) == (1, 0.97, (0.97,))
    assert held.std is held.low is held.high is None


def test_equal_values_have_an_interval_of_no_width():
    held = summary([0.1] * 3)  # whose mean numpy rounds to another number
    assert (held.mean, held.std, held.low, held.high) == (0.1, 0, 0.1, 0.1)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 1.0], [-math.inf]])
def test_nothing_and_what_is_not_finite_are_refused(values):
    with pytest.raises(ValueError, match="no values" if not values else "not every value is finite"):
        summary(values)


def test_the_interval_holds_the_mean_as_often_as_it_says():
    samples = np.random.default_rng(0).normal(3, 2, (4000, 5))
    inside = [held.low <= 3 <= held.high for held in map(summary, samples)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.012)


# --- paired


def test_sign_flip_by_hand():
    # the mean differences of 8 signs are ±6/3, ±4/3, ±2/3 and 0, 0: two of 8 are as far from 0 as 6/3, four as 4/3
    assert from_zero([1, 2, 3]).p == 2 / 8
    assert from_zero([-1, 2, 3]).p == 4 / 8
    assert from_zero([1, 2, -3]).p == 1


def test_paired_by_hand():
    # differences 2, 1, 3: mean 2, deviation 1; t(0.975, 2) = 4.3027 from a printed table
    held = compare({7: 10, 3: 20, 5: 30}, {3: 21, 5: 33, 7: 12})
    assert (held.difference, held.paired, held.n, held.method) == (2, True, 3, "paired sign-flip, 3 seeds")
    assert (held.low, held.high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)


@pytest.mark.parametrize("n", [3, 6, 11])
def test_the_paired_interval_is_scipys(n):
    a, b = normal(n, seed=1), normal(n, mean=0.5, seed=2)
    held, expected = compare(seeded(a), seeded(b)), stats.ttest_rel(b, a).confidence_interval()
    assert (held.low, held.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 12])
@pytest.mark.parametrize("mean", [0, 0.7])
def test_sign_flip_is_scipys(n, mean):
    differences = np.array(normal(n, mean, seed=n))
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert from_zero(differences).p == pytest.approx(expected.pvalue, rel=1e-12)


def test_sign_flip_rejects_as_often_as_it_says():
    samples = np.random.default_rng(0).normal(0, 1, (2000, 6))
    p = np.array([from_zero(differences).p for differences in samples])
    for level in (1, 3, 8, 16):  # of the 32 that p can be
        assert np.mean(p <= level / 32) == pytest.approx(level / 32, abs=4 * math.sqrt(level / 32 / 2000))


@pytest.mark.parametrize("n", [2, 5, 20])
@pytest.mark.parametrize("sign", [-1, 1])
def test_differences_of_one_sign_reach_the_smallest_p(n, sign):
    held = from_zero(sign * np.arange(1, n + 1))
    assert held.p == held.smallest_p == 2 / 2**n


def test_five_seeds_are_never_significant():
    assert from_zero([100, 101, 99, 100, 102]).p == 0.0625


def test_no_difference():
    held = compare(seeded([0.1, 0.2, 0.3]), seeded([0.1, 0.2, 0.3]))
    assert (held.p, held.difference, held.low, held.high) == (1, 0, 0, 0)
    assert from_zero([0] * 21).p == 1


def test_ties_of_float32_accuracies_are_ties():
    """Counts right of 360, with the p that the whole numbers give."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        a, b = generator.integers(340, 361, (2, 7))
        sums = [abs(np.dot(signs, b - a)) for signs in itertools.product((-1, 1), repeat=7)]
        held = compare(*(seeded((counts / 360).astype(np.float32)) for counts in (a, b)))
        assert held.p == np.mean(np.array(sums) >= abs(sum(b - a)))


def test_small_differences_are_no_ties():
    a = np.linspace(0.9, 0.95, 8)
    assert compare(seeded(a), seeded(a + 1e-5)).p == 2 / 2**8


def test_beyond_enumeration_p_is_drawn_and_always_the_same():
    differences = normal(25, mean=0.4)
    held = from_zero(differences)
    t_test = stats.ttest_1samp(differences, 0).pvalue
    assert 0.01 < t_test < 0.5
    assert held.p == pytest.approx(t_test, abs=0.005)
    assert from_zero(differences) == held
    later = dict(reversed(seeded(differences).items()))
    assert compare(later, seeded([0] * 25)).p == held.p


@pytest.mark.parametrize("n", [21, 40])
def test_a_drawn_p_is_never_0(n):
    held = from_zero(np.arange(n) + 100)
    assert held.p == held.smallest_p == 1 / (DRAWS + 1)


# --- Welch


@pytest.mark.parametrize(("n", "m"), [(2, 2), (5, 3), (4, 30)])
def test_welch_is_scipys(n, m):
    a, b = normal(n, scale=0.1, seed=3), normal(m, mean=0.2, seed=4)
    held, expected = compare(seeded(a), seeded(b, first=100)), stats.ttest_ind(b, a, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert held.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (held.low, held.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert held.difference == pytest.approx(np.mean(b) - np.mean(a))
    assert (held.smallest_p, held.paired, held.n, held.method) == (None, False, None, "Welch")


def test_one_group_without_spread():
    held = compare({0: 1.0, 1: 1.0}, {2: 2.0, 3: 4.0})  # the error is b's alone: 1, with 1 degree of freedom
    assert held.p == pytest.approx(2 * stats.t.sf(2, 1))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({}, {0: 1.0, 1: 2.0}),
        ({0: 1.0}, {0: 2.0}),  # a pair, but one
        ({0: 1.0}, {0: 2.0, 1: 3.0}),
        ({0: 1.0}, {1: 2.0, 2: 3.0}),
        ({0: 0.1, 1: 0.1, 2: 0.1}, {3: 0.3, 4: 0.3, 5: 0.3}),
    ],
)
def test_what_cannot_be_compared(a, b):
    assert compare(a, b) is compare(b, a) is None


# --- which of them


def test_the_smaller_groups_seeds_are_paired():
    a, b = seeded([1, 2, 3, 50, 60]), seeded([2, 4, 6])
    held = compare(a, b)
    assert (held.difference, held.n, held.p) == (2, 3, 2 / 8)
    assert held.method == compare(b, a).method == "paired sign-flip, 3 of 5 seeds"


def test_groups_that_each_have_other_seeds_are_not_paired():
    a, b = seeded([1, 2, 3, 5]), seeded([2, 4, 6], first=1)
    held = compare(a, b | {9: 7.0})
    assert (held.paired, held.n, held.method) == (False, None, "Welch, seeds shared: 3")
    assert held.p == pytest.approx(stats.ttest_ind([2, 4, 6, 7], [1, 2, 3, 5], equal_var=False).pvalue)


@pytest.mark.parametrize(("n", "first"), [(5, 0), (8, 0), (8, 3), (8, 20), (25, 0)])
def test_the_other_way_round_only_signs_change(n, first):
    a, b = seeded(normal(8 if n < 25 else 25, seed=5)), seeded(normal(n, mean=0.3, seed=6), first)
    there, back = compare(a, b), compare(b, a)
    assert (back.difference, back.low, back.high) == (-there.difference, -there.high, -there.low)
    assert (back.p, back.smallest_p, back.n, back.method) == (there.p, there.smallest_p, there.n, there.method)


@pytest.mark.parametrize("first", [0, 2])
def test_a_diverged_run_is_not_compared(first):
    with pytest.raises(ValueError, match="not every value is finite"):
        compare(seeded([1, 2, 3]), seeded([1, 2, math.nan], first))


# --- Holm


def test_holm_by_hand():
    # by size 0.005 · 4, 0.01 · 3, 0.03 · 2, and 0.04 · 1, raised to what came before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_is_statsmodels():
    # multipletests(…, method="holm") of statsmodels 0.15.0
    p = [0.0625, 0.001, 0.02, 0.02, 0.8, 0.0004, 0.3, 0.013]
    assert holm(p) == pytest.approx([0.1875, 0.007, 0.1, 0.1, 0.8, 0.0032, 0.6, 0.078], rel=1e-12)


def test_holm_is_never_above_1():
    assert holm([0.4, 0.5, 1.0]) == [1, 1, 1]
    assert holm([]) == []


@pytest.mark.parametrize("p", [math.nan, -0.1, 1.1])
def test_what_is_no_p_is_refused(p):
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([0.5, p])
