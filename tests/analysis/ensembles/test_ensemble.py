"""Ensembles: what members predict together, and how far they disagree."""

import math

import numpy as np
import pytest

from encore.analysis.ensembles.ensemble import (
    by_size,
    checked,
    disagreement,
    elected,
    entropy,
    log_losses,
    most_certain_first,
    predicted,
    uncertainty,
    votes,
)

# Three members, two examples, three classes; the first member is sure of itself, and wrong on the second example.
MEMBERS = np.array(
    [
        [[0.9, 0.1, 0.0], [0.0, 0.0, 1.0]],
        [[0.4, 0.6, 0.0], [0.0, 0.6, 0.4]],
        [[0.4, 0.6, 0.0], [0.0, 0.6, 0.4]],
    ]
)


def random_members(members=7, n=200, classes=5, seed=0):
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.ones(classes) / 2, (members, n)), generator.integers(classes, size=n)


def test_averages_and_votes_by_hand():
    # means: 1.7/3 1.3/3 0 and 0 1.2/3 1.8/3; votes: one against two, each time for class 1
    assert predicted(MEMBERS, "probabilities").tolist() == [0, 2]
    assert votes(MEMBERS).tolist() == [[1, 2, 0], [0, 2, 1]]
    assert predicted(MEMBERS, "votes").tolist() == [1, 1]


def test_of_as_many_votes_the_higher_mean_wins_then_the_lower_class():
    ballots = np.array([[2, 2, 1], [2, 2, 1], [0, 1, 1]])
    mean = np.array([[0.3, 0.35, 0.35], [0.4, 0.4, 0.2], [0.9, 0.05, 0.05]])
    assert elected(ballots, mean).tolist() == [1, 0, 1]


def test_one_member_is_its_own_ensemble():
    alone = MEMBERS[:1]
    for how in ("probabilities", "votes"):
        assert predicted(alone, how).tolist() == [0, 2]
    assert disagreement(alone) == 0
    assert uncertainty(alone).mutual == pytest.approx([0, 0])
    assert by_size(alone, np.array([0, 1]), "votes")[0].tolist() == [0.5]


@pytest.mark.parametrize(
    ("members", "targets", "message"),
    [
        (np.full((2, 3, 2), np.nan), np.zeros(3, int), "not all rows are probabilities"),
        (np.full((2, 3, 2), 0.6), np.zeros(3, int), "not all rows are probabilities"),
        (np.array([[[1.5, -0.5]]]), np.zeros(1, int), "not all rows are probabilities"),
        (np.full((3, 2), 0.5), np.zeros(3, int), r"are \[members, n, classes\]"),
        (np.empty((0, 3, 2)), np.zeros(3, int), r"are \[members, n, classes\]"),
        (np.full((2, 3, 2), 0.5), np.zeros(4, int), "3 predictions of 4 targets"),
    ],
)
def test_what_are_no_probabilities_is_refused(members, targets, message):
    with pytest.raises(ValueError, match=message):
        checked(members, targets)


def test_log_losses_by_hand():
    assert log_losses(MEMBERS[1], np.array([1, 2])) == pytest.approx([-math.log(0.6), -math.log(0.4)])
    assert np.isfinite(log_losses(MEMBERS[0], np.array([2, 0]))).all()


def test_the_average_has_no_higher_log_loss_than_its_members_in_the_mean():
    members, targets = random_members()
    alone = np.mean([log_losses(one, targets) for one in members], 0)
    assert (log_losses(members.mean(0), targets) <= alone + 1e-12).all()


def test_entropies_by_hand():
    assert entropy(np.array([[0.5, 0.5, 0], [1, 0, 0], [0.25, 0.25, 0.5]])) == pytest.approx(
        [math.log(2), 0, 1.5 * math.log(2)]
    )
    sure_of_others = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])  # each has none, together they know nothing
    found = uncertainty(sure_of_others)
    assert (found.total[0], found.expected[0], found.mutual[0]) == pytest.approx((math.log(2), 0, math.log(2)))


def test_predictive_entropy_is_that_of_members_and_their_disagreement():
    members, _ = random_members()
    found = uncertainty(members)
    mean = members.mean(0)
    apart = (members * np.log(members / mean)).sum(-1).mean(0)  # mutual information as the mean divergence
    assert found.expected + apart == pytest.approx(found.total, abs=1e-12)
    assert (found.mutual > 0).all()
    assert uncertainty(np.repeat(members[:1], 4, 0)).mutual == pytest.approx(np.zeros(200), abs=1e-12)


def test_disagreement_is_the_mean_over_all_pairs():
    members, _ = random_members()
    chosen = members.argmax(-1)
    pairs = [(chosen[i] != chosen[j]).mean() for i in range(7) for j in range(i)]
    assert disagreement(members) == pytest.approx(np.mean(pairs))
    assert disagreement(MEMBERS) == pytest.approx(2 / 3)


@pytest.mark.parametrize("how", ["probabilities", "votes"])
def test_members_join_in_many_orders(how):
    members, targets = random_members()
    found = by_size(members, targets, how)
    assert found.shape == (105, 7)
    assert found[:, 0].mean() == pytest.approx((members.argmax(-1) == targets).mean())
    assert found[:, -1].tolist() == [(predicted(members, how) == targets).mean()] * 105
    assert (found == by_size(members, targets, how)).all()
    assert (found != by_size(members, targets, how, seed=1)).any()


def test_the_most_uncertain_are_left_out_first():
    right = np.array([True, False, True, False])
    assert most_certain_first(np.array([0.1, 0.9, 0.2, 0.9]), right).tolist() == [1, 1, 2 / 3, 1 / 2]
