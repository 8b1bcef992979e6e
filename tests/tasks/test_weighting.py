"""Class weights and the focal loss against their formulas, and thinned and balanced classes of a run."""

import pytest
import torch
import torch.nn.functional as F
from endings import SMALL

from encore.config.compose import config_from
from encore.data.balance import BalancedOrder
from encore.data.loaders import Order
from encore.errors import ConfigError
from encore.provenance.fingerprint import essential, fingerprint
from encore.runner.parts import build_data
from encore.tasks.weighting import balanced_weights, weighted_cross_entropy


def test_balanced_weights_are_scikit_learn_s():
    from sklearn.utils.class_weight import compute_class_weight

    labels = torch.tensor([0] * 7 + [1] * 2 + [3])
    ours = balanced_weights(labels.bincount(minlength=4))
    theirs = compute_class_weight("balanced", classes=labels.unique().numpy(), y=labels.numpy())
    assert ours[[0, 1, 3]].tolist() == pytest.approx(theirs.tolist())
    assert ours[2] == 0
    assert ours[labels].mean().item() == pytest.approx(1)


def test_the_loss_is_the_formula_and_plain_cross_entropy_without_weights():
    torch.manual_seed(0)
    outputs, targets = torch.randn(8, 4, dtype=torch.float64), torch.arange(8) % 4
    weights = torch.tensor([0.5, 1.0, 2.0, 0.0], dtype=torch.float64)
    p = outputs.softmax(1)[torch.arange(8), targets]
    expected = (weights[targets] * (1 - p) ** 2 * -p.log()).mean()
    torch.testing.assert_close(weighted_cross_entropy(outputs, targets, weights, 2.0, 0.0), expected)
    plain = weighted_cross_entropy(outputs, targets, None, 0.0, 0.1)
    torch.testing.assert_close(plain, F.cross_entropy(outputs, targets, label_smoothing=0.1))
    mixed = F.one_hot(targets, 4).double()
    torch.testing.assert_close(weighted_cross_entropy(outputs, mixed, weights, 2.0, 0.0), expected)


def test_an_epoch_of_balanced_draws_has_all_classes_alike_and_is_a_function_of_seed_and_epoch():
    classes = torch.tensor([0] * 9000 + [1] * 900 + [2] * 100)
    order = BalancedOrder(torch.arange(500, 10000), 64, seed=3, classes=classes)
    drawn = order.of_epoch(1)
    assert len(drawn) == 9500
    assert drawn.min() >= 500
    assert (classes[drawn].bincount() / 9500).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
    assert len(drawn[classes[drawn] == 2].unique()) == 100
    assert drawn.equal(order.of_epoch(1))
    assert not drawn.equal(order.of_epoch(2))
    ranks = [BalancedOrder(**{**vars(order), "rank": rank, "world_size": 2}) for rank in (0, 1)]
    firsts = [each.of_rank(drawn, 3)[0][:32] for each in ranks]
    assert torch.stack(firsts, 1).flatten().equal(drawn[192:256])


def test_classes_are_thinned_where_a_run_learns_and_not_where_it_is_tested():
    whole, part, less = (
        build_data(config_from({**SMALL, "data.fraction": 1.0, **keep}))
        for keep in ({}, {"data.keep": {3: 0.5}}, {"data.keep": {3: 0.25}})
    )
    for split in ("train", "val"):
        counts = [data.source.targets[getattr(data.split, split)].bincount() for data in (whole, part, less)]
        assert counts[1][3] == round(0.5 * int(counts[0][3]))
        assert counts[1][:3].equal(counts[0][:3])
    assert set(less.split.train.tolist()) < set(part.split.train.tolist()) < set(whole.split.train.tolist())
    assert part.split.test.equal(whole.split.test)
    assert part.class_counts(10)[3] == round(0.5 * int(whole.class_counts(10)[3]))


def test_classes_are_named_as_data_classes_names_them():
    names = ["zero", "one", "two", "three", *"456789"]

    def trains_on(keep, classes=names):
        cfg = config_from({**SMALL, "+data.classes": classes, "data.keep": keep})
        return build_data(cfg).split.train.tolist(), fingerprint(cfg)

    by_number, by_name = trains_on({3: 0.5}), trains_on({"three": 0.5})
    assert by_name[0] == by_number[0]
    swapped = ["zero", "one", "three", "two", *"456789"]
    assert trains_on({"three": 0.5}, swapped)[0] == trains_on({2: 0.5})[0] != by_name[0]
    # Names decide which examples there are: then they are part of the run's ID, and only then.
    assert trains_on({"three": 0.5}, swapped)[1] != by_name[1]
    assert trains_on({3: 0.5}, swapped)[1] == by_number[1]


def test_classes_count_however_the_data_are_split():
    counted = [
        build_data(config_from({**SMALL, "+data.stratify": each})).class_counts(10).count_nonzero()
        for each in (True, False)
    ]
    assert counted == [10, 10]


def test_an_order_that_is_not_shuffled_cannot_be_balanced():
    data = build_data(config_from({**SMALL, "data.sampling": "balanced", "data.shuffle": False}))
    with pytest.raises(ConfigError, match=r"data\.shuffle=false does not"):
        data.train_order()
    assert type(build_data(config_from(SMALL)).train_order()) is Order


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data.keep": {3: 1.5}}, "data.keep=.* must be fractions, above 0 and at most 1, by class"),
        ({"data.sampling": "weighted"}, "must be one of uniform, balanced"),
        ({"data": "thermometer", "task": "regression", "data.sampling": "balanced"}, "is about classes, and data="),
        ({"task.class_weights": "even"}, "task.class_weights must be balanced, null or a number for each class"),
        ({"task.class_weights": [1, -1]}, "task.class_weights must be at least 0"),
        ({"task.focal_gamma": -1}, "task.focal_gamma must be at least 0"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_built(settings, said):
    with pytest.raises(ConfigError, match=said):
        config_from(settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data.keep": {"seven": 0.5}}, "data.keep: there is no class seven; choose from"),
        ({"data.keep": {3: 0.0001}}, "0.0001 of class 3 leaves nothing to train on"),
    ],
)
def test_classes_that_are_not_there_are_named(settings, said):
    with pytest.raises(ConfigError, match=said):
        build_data(config_from({**SMALL, **settings}))


def test_weights_for_other_classes_are_refused(run):
    with pytest.raises(ConfigError, match=r"task\.class_weights has 2 numbers for 10 classes"):
        run({**SMALL, "task.class_weights": [1.0, 2.0]})


def test_a_run_without_them_is_the_run_that_it_was():
    kept = essential(config_from({}))
    assert not {"keep", "sampling"} & kept["data"].keys()
    assert not {"class_weights", "focal_gamma"} & kept["task"].keys()
