"""Boosting: the arithmetic of SAMME, and the command that grows its members."""

import math

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import AdaBoostClassifier
from sklearn.tree import DecisionTreeClassifier

from encore.analysis.ensembles.boosting import reweighted, say_of, staged, weighted_error


def test_by_hand():
    # five examples of three classes, one of them wrong: error 1/5, say log 4 + log 2, its weight grows eightfold
    weights, wrong = np.full(5, 0.2), np.array([True, False, False, False, False])
    error = weighted_error(weights, wrong)
    say = say_of(error, 3)
    assert (error, say) == pytest.approx((0.2, math.log(8)))
    assert reweighted(weights, wrong, say) == pytest.approx([8 / 12, 1 / 12, 1 / 12, 1 / 12, 1 / 12])


def test_weights_say_and_votes_are_scikit_learns():
    inputs, targets = load_iris(return_X_y=True)
    theirs = AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=12, random_state=0)
    theirs.fit(inputs, targets)
    chosen = np.array([learner.predict(inputs) for learner in theirs.estimators_])
    weights = np.full(len(targets), 1 / len(targets))
    says = []
    for wrong, error, say in zip(chosen != targets, theirs.estimator_errors_, theirs.estimator_weights_, strict=True):
        assert weighted_error(weights, wrong) == pytest.approx(error)
        says.append(say_of(weighted_error(weights, wrong), 3))
        assert says[-1] == pytest.approx(say)
        weights = reweighted(weights, wrong, says[-1])
    for ours, theirs_now in zip(staged(chosen, says, 3), theirs.staged_predict(inputs), strict=True):
        assert ours.argmax(1).tolist() == theirs_now.tolist()


@pytest.mark.parametrize(
    ("error", "message"), [(0.9, "no better than chance"), (0.95, "chance has 0.9000"), (0.0, "nothing left to boost")]
)
def test_a_learner_that_is_not_weak_is_refused(error, message):
    with pytest.raises(ValueError, match=message):
        say_of(error, 10)


def test_a_learner_a_little_better_than_chance_has_little_say():
    assert 0 < say_of(0.8999, 10) < 0.01
