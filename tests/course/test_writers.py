"""Writers of digits: no writer in two parts, batches of several digits each, and what pairs of sets tell."""

import gzip
import math

import numpy as np
import pytest
import torch
from conftest import REAL
from endings import asked_to_stop, assert_same
from made_writers import SETTINGS, hands, made
from sklearn.metrics import roc_auc_score

import encore
from course.writers import handmade
from course.writers.digits import Digits
from course.writers.metrics import KnownWriter, SameWriter
from course.writers.order import Together, together
from course.writers.pairs import Pairs, draw, draw_alike, nearness, rates, resampled
from course.writers.task import triplet
from encore.data.loaders import Order
from encore.data.sources import ArraySource
from encore.errors import ConfigError, InputError, Preempted
from encore.provenance.trust import recorded_config

SMALL = {"model.channels": [4, 8], "data.batch_size": 16}
VERIFY = {"experiment": "writers_verify", "data.order.each": 4, "model.width": 8}


def test_digits_have_their_writers_numbered_in_nist_s_order(tmp_path):
    folder = made(tmp_path, train=[7, 7, 3, 9, 3, 7])
    every = Digits(str(folder))
    assert every.nist.tolist() == [3, 7, 9]
    assert every.writer.tolist() == [1, 1, 0, 2, 0, 1]
    assert every.digit.tolist() == [0, 1, 2, 3, 4, 5]
    some = Digits(str(folder), fewest=2)
    assert (some.nist.tolist(), some.writer.tolist(), some.left_out) == ([3, 7], [1, 1, 0, 0, 1], 1)
    assert torch.equal(some.picture, every.picture[[0, 1, 2, 4, 5]])
    assert Digits(str(folder), known=2).nist.tolist() == [3, 7]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"fewest": 4}, InputError, r"0 writers have at least fewest=4 digits, and it takes 2: lower data\.train\.few"),
        ({"known": 5}, InputError, "3 writers have at least fewest=1 digits, and it takes 5"),
        ({"fewest": 0}, ConfigError, "fewest must be at least 1"),
        ({"known": 1}, ConfigError, "known at least 2"),
    ],
)
def test_writers_that_cannot_be(tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        Digits(str(made(tmp_path, train=[7, 7, 3, 9, 3, 7])), **settings)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("truncated", "is truncated or altered"),
        ("other digits", "labels other digits than those in"),
        ("another layout", r"has labels of shape \[240\], not \[n, 8\]"),
        ("gone", "there is no .*qmnist-train-labels"),
    ],
)
def test_labels_that_are_not_qmnist_s_end_a_run_before_it_begins(run, tmp_path, what, message):
    folder = made(tmp_path / "data")
    file = folder / "QMNIST" / "raw" / "qmnist-train-labels-idx2-int.gz"
    content = file.read_bytes()
    if what == "truncated":
        file.write_bytes(content[:-20])
    if what == "other digits":
        file.write_bytes(gzip.compress(gzip.decompress(content)[:12] + gzip.decompress(content)[44:] + bytes(32)))
    if what == "another layout":
        plain = (folder / "MNIST" / "raw" / "train-labels-idx1-ubyte").read_bytes()
        file.write_bytes(gzip.compress(plain))
    if what == "gone":
        file.unlink()
    with pytest.raises(InputError, match=message) as raised:
        run({**SETTINGS, **SMALL, **VERIFY, "data_dir": str(folder)})
    assert "fetch_data.py mnist qmnist" in str(raised.value)
    assert not list(tmp_path.rglob("result.json"))


def test_a_writer_with_one_digit_has_no_pair_and_can_be_left_out(run, tmp_path):
    folder = made(tmp_path / "data", train=[*np.repeat(np.arange(10), 24), 88])
    settings = {**SETTINGS, **SMALL, **VERIFY, "data_dir": str(folder), "debug": "fast", "data.split_seed": 1}
    with pytest.raises(InputError, match=r"1 of 10 writers have fewer digits than .*: data\.train\.fewest=4 leaves"):
        run(settings)
    assert run({**settings, "data.train.fewest": 4}).status == "finished"


@pytest.mark.parametrize("trained_by", ["triplet", "classification"])
def test_hands_are_told_apart_by_writers_whom_the_run_has_not_seen(tmp_path, trained_by):
    words = {**SETTINGS, **SMALL, **VERIFY, "data_dir": str(made(tmp_path / "data")), "task.trained_by": trained_by}
    result = encore.run({**words, "runs_dir": str(tmp_path / "runs"), "trainer.max_epochs": 4, "optim.lr": 0.01})
    assert result.metrics["test/auroc"] > 0.8
    assert not [name for name in result.undeclared if name.startswith("course.writers")]
    assert recorded_config(result.folder)["task"]["trained_by"] == trained_by


def test_a_run_that_is_stopped_ends_in_the_same_bits_as_well(run, tmp_path, monkeypatch):
    words = {**SETTINGS, **SMALL, **VERIFY, "data_dir": str(made(tmp_path / "data")), "trainer.max_epochs": 2}
    reference = run({**words, "runs_dir": str(tmp_path / "reference")})
    with asked_to_stop(monkeypatch, reference.steps // 2 + 1), pytest.raises(Preempted):
        run(words)
    assert_same(run(words).folder, reference.folder)


def test_known_writers_are_told_by_one_digit_and_by_several(run, tmp_path):
    words = {**SETTINGS, **SMALL, "experiment": "writers_identify", "data_dir": str(made(tmp_path / "data"))}
    small = {"data.train.known": 8, "data.num_classes": 8, "trainer.max_epochs": 5, "task.metrics.accuracy_of_10.k": 5}
    metrics = run({**words, **small, "optim.lr": 0.02}).metrics
    assert min(metrics["test/accuracy_of_10"], metrics["test/accuracy"]) > 0.25  # one of eight


def test_batches_hold_several_digits_of_each_writer_and_are_of_seed_and_epoch_alone():
    writers = torch.tensor([0] * 7 + [1] * 4 + [2] * 9 + [3] * 12)
    source = ArraySource(torch.zeros(len(writers), 1), writers)
    order = together(Order(torch.arange(1, len(writers)), 8, seed=3), source, 4)
    assert len(order) == (1 + 1 + 2 + 3) * 4 // 8
    first = order.of_epoch(0)
    assert len(first) == len(set(first.tolist())) == len(order) * 8
    assert 0 not in first
    assert all(len(set(writers[part].tolist())) == 1 for part in first.split(4))
    assert torch.equal(first, order.of_epoch(0))
    assert not torch.equal(first, order.of_epoch(1))
    assert not torch.equal(first, Together(**{**vars(order), "seed": 4}).of_epoch(0))


@pytest.mark.parametrize("each", [1, 3, 8])
def test_batches_that_cannot_hold_parts_of_so_many(each):
    source = ArraySource(torch.zeros(40, 1), torch.arange(40) % 4)
    with pytest.raises(ConfigError, match=rf"data\.order\.each={each} must be at least 2"):
        together(Order(torch.arange(40), 8), source, each)


def test_the_triplet_loss_is_the_mean_over_all_triplets():
    generator = torch.Generator().manual_seed(0)
    embedded = torch.nn.functional.normalize(torch.randn(7, 3, generator=generator))
    writers = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    each = [
        math.log1p(math.exp(5 * float(embedded[a] @ embedded[n] - embedded[a] @ embedded[p])))
        for a in range(7) for p in range(7) for n in range(7)
        if a != p and writers[a] == writers[p] and writers[a] != writers[n]
    ]  # fmt: skip
    assert triplet(embedded, writers, 5.0).item() == pytest.approx(np.mean(each), rel=1e-5)
    assert triplet(embedded, torch.arange(7), 5.0).item() == 0


def test_sets_share_no_digit_and_others_are_of_the_same_group():
    writers = np.repeat([0, 1, 2, 3, 4], [8, 8, 8, 8, 3])
    groups = np.where(np.isin(writers, [0, 1]), 0, 1)
    pairs = draw(writers, 4, 10, groups=groups)
    assert pairs.left_out == 1
    assert pairs.same.sum() == (~pairs.same).sum() == 40
    assert (writers[pairs.left] == pairs.writers[:, :1]).all()
    assert (writers[pairs.right] == pairs.writers[:, 1:]).all()
    assert all(len(set(both)) == 8 for both in np.hstack([pairs.left, pairs.right]))
    assert (groups[pairs.left[:, 0]] == groups[pairs.right[:, 0]]).all()
    assert np.array_equal(draw(writers, 4, 10, groups=groups).left, pairs.left)
    with pytest.raises(ValueError, match="fewer than two writers have 10 digits"):
        draw(writers, 5, 1)


def test_pairs_of_one_digit_are_alike():
    writers, digits = np.repeat(np.arange(4), 10), np.tile(np.arange(5), 8)
    pairs = draw_alike(writers, digits, 1, 3)
    assert (digits[pairs.left] == digits[pairs.right]).all()
    assert (pairs.left != pairs.right).all()
    assert (writers[pairs.left[:, 0]] == pairs.writers[:, 0]).all()


@pytest.mark.parametrize("ties", [False, True])
def test_the_area_is_scikit_learn_s_and_the_equal_error_rate_where_both_errors_are_equal(ties):
    generator = np.random.default_rng(0)
    same = generator.integers(0, 2, 300).astype(bool)
    scores = generator.normal(same, 1)
    scores = scores.round(1) if ties else scores
    weights = np.stack([np.ones(300), generator.integers(0, 4, 300).astype(float)])
    area, error = rates(scores, same, weights)
    expected = [roc_auc_score(same, scores, sample_weight=row) for row in weights]
    assert area == pytest.approx(expected)
    threshold = np.quantile(scores[~same], 1 - error[0])
    assert (scores[same] < threshold).mean() == pytest.approx(error[0], abs=0.03)


def test_scores_that_say_all_or_nothing():
    same, one = np.array([True, True, False, False]), np.ones((1, 4))
    assert [float(each[0]) for each in rates(np.array([4.0, 3, 2, 1]), same, one)] == [1, 0]
    assert [float(each[0]) for each in rates(np.zeros(4), same, one)] == [0.5, 0.5]


def test_the_bootstrap_draws_writers_not_digits():
    writers = np.array([[0, 0], [0, 0], [1, 1], [0, 1], [1, 0]])
    pairs = Pairs(np.zeros((5, 1), int), np.zeros((5, 1), int), writers, 0)
    drawn = resampled(pairs, 200)
    assert set(map(tuple, drawn.tolist())) == {(2, 2, 0, 0, 0), (1, 1, 1, 1, 1), (0, 0, 2, 0, 0)}


def test_metrics_of_embeddings_and_of_known_writers():
    same, known = SameWriter(2), KnownWriter(2)
    writers = torch.arange(3).repeat_interleave(4)
    for metric in (same, known):
        for part in (slice(0, 6), slice(6, 12)):
            metric.update(torch.eye(3)[writers[part]], writers[part])
        assert metric.compute().item() == 1
    alone = SameWriter(2)
    alone.update(torch.eye(3), torch.arange(3))
    assert alone.compute().item() == 0.5
    unsure = KnownWriter(2)  # one digit of two is taken for another writer, less surely than the other one is right
    unsure.update(torch.tensor([[3.0, 0], [0, 1.0]]), torch.tensor([0, 0]))
    assert unsure.compute().item() == 1


def test_features_made_by_hand_are_slant_stroke_width_and_size():
    found = handmade.features(hands([0, 4, 7]))  # slants of -0.6, 0.6 and 0; strokes of 2, 2 and 5 pixels
    assert found[:, 0] == pytest.approx([0.6, -0.6, 0.0], abs=0.06)
    assert found[0, 1] < found[2, 1]
    assert found[:, 2].tolist() == [18, 18, 18]
    assert found[2, 3] < found[0, 3]
    assert np.isfinite(handmade.features(np.zeros((1, 28, 28), np.uint8))).all()
    digits = np.array([0, 1, 1])
    assert handmade.standardised(found, digits, found, digits)[0] == pytest.approx(0)


def test_nearness_is_that_of_means():
    pairs = Pairs(np.array([[0, 1]]), np.array([[2, 3]]), np.array([[0, 1]]), 0)
    embedded = np.array([[0.0, 0], [2, 0], [1, 3], [1, 5]])
    assert nearness(embedded, pairs).tolist() == [-4]


def test_the_real_writers_of_both_sets_are_others():
    for place in ("MNIST/raw", "QMNIST/raw"):
        if not (REAL / place).is_dir():
            pytest.skip(f"needs the real {place} in {REAL.resolve()}: python scripts/fetch_data.py mnist qmnist")
    train, test = Digits(str(REAL)), Digits(str(REAL), train=False)
    assert (len(train.nist), len(test.nist)) == (539, 297)
    assert not set(train.nist.tolist()) & set(test.nist.tolist())
    assert int(train.writer.bincount().min()) == 19
