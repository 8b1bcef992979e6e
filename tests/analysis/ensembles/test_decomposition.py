import numpy as np
import pytest

from encore.analysis.ensembles.decomposition import brier, zero_one


def resamples(m=6, n=50, classes=4, seed=0):
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.ones(classes), (m, n)), generator.integers(classes, size=n)


@pytest.mark.parametrize("m", [1, 2, 6, 31])
def test_the_brier_score_is_bias_and_variance_exactly(m):
    probabilities, targets = resamples(m)
    found = brier(probabilities, targets)
    assert abs(found.expected - found.bias - found.variance) < 1e-12
    truth = np.eye(4)[targets]
    assert found.expected == pytest.approx(np.mean([((one - truth) ** 2).sum(1).mean() for one in probabilities]))


def test_the_brier_score_by_hand():
    # 0.8 and 0.4 for the target: errors 0.2² · 2 and 0.6² · 2; the mean 0.6 has 0.4² · 2, each is 0.2 from it
    found = brier(np.array([[[0.8, 0.2]], [[0.4, 0.6]]]), np.array([0]))
    assert (found.expected, found.bias, found.variance) == pytest.approx((0.40, 0.32, 0.08))


def of_classes(chosen, classes=4):
    return np.eye(classes)[np.array(chosen)]


def test_zero_one_loss_by_hand():
    # five resamples, three examples whose class is 0:
    # 0 0 0 1 2: the mode 0 is right, 2 of 5 differ from it and are wrong
    # 1 1 1 0 2: the mode 1 is wrong, 1 of 5 is right
    # 1 1 1 1 1: wrong, without variance
    chosen = np.array([[0, 0, 0, 1, 2], [1, 1, 1, 0, 2], [1, 1, 1, 1, 1]]).T
    found = zero_one(of_classes(chosen), np.zeros(3, int))
    assert found.bias == pytest.approx(2 / 3)
    assert found.unbiased == pytest.approx(2 / 5 / 3)
    assert found.biased == pytest.approx(1 / 5 / 3)
    assert found.expected == pytest.approx((2 + 4 + 5) / 15)
    assert found.variance == pytest.approx(found.expected - found.bias)


@pytest.mark.parametrize("seed", range(5))
def test_the_expected_loss_is_the_bias_and_what_variance_adds_and_takes(seed):
    found = zero_one(*resamples(seed=seed))
    assert abs(found.expected - (found.bias + found.unbiased - found.biased)) < 1e-12
    assert min(found.unbiased, found.biased) > 0


def test_of_two_modes_the_one_with_the_higher_mean_is_the_main_prediction():
    probabilities = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    assert zero_one(probabilities, np.array([0])).bias == 0
    assert zero_one(probabilities, np.array([1])).bias == 1


def test_resamples_that_predict_the_same_have_no_variance():
    probabilities, targets = resamples(1)
    same = np.repeat(probabilities, 5, 0)
    assert brier(same, targets).variance == pytest.approx(0, abs=1e-15)
    assert zero_one(same, targets).variance == 0
