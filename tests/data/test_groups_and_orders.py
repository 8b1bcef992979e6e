"""`data.group_by` keeps groups whole, and `data.order` is an order of one's own."""

import numpy as np
import pytest
import torch
from own import batches, opened

from encore.data.loaders import Order
from encore.errors import ConfigError


class Halves(Order):
    """The first half of the examples in even epochs, the second one in odd ones."""

    def __init__(self, order, source):
        super().__init__(**vars(order))

    def of_epoch(self, epoch):
        return self.indices.chunk(2)[epoch % 2]

    def __len__(self):
        return len(self.indices) // 2 // self.batch_size


def both(order, source):
    return order, source


@pytest.fixture
def own(tmp_path):
    x = np.arange(120, dtype=np.float32).reshape(60, 2)
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(60) % 2, patient=np.arange(60) % 12, grid=x)
    names = {"data": "arrays", "data.path": str(tmp_path / "own.npz"), "data.inputs": "x", "data.targets": "y"}
    return {**names, "data.num_classes": 2, "data.batch_size": 6, "data.normalize": "none"}


@pytest.mark.parametrize("folds", [None, 3])
def test_no_group_is_in_two_parts_and_each_example_in_one(tmp_path, own, folds):
    settings = {"data.group_by": "patient", "data.val_fraction": 0.25, "data.test_fraction": 0.25, "data.folds": folds}
    data = opened(tmp_path, **own, **settings)
    parts = [set((getattr(data.split, name) % 12).tolist()) for name in ("train", "val", "test")]
    assert [len(part) for part in parts] == [6, 3, 3]
    assert set.union(*parts) == set(range(12))
    assert sorted(torch.cat(list(vars(data.split).values())).tolist()) == list(range(60))


def test_another_seed_of_the_split_divides_groups_otherwise(tmp_path, own):
    one, other = (opened(tmp_path, **own, **{"data.group_by": "patient", "data.split_seed": seed}) for seed in (0, 1))
    assert one.split.test.tolist() != other.split.test.tolist()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data.group_by": "nowhere"}, "data.group_by=nowhere: .* has no such array"),
        ({"data.group_by": "grid"}, r"data.group_by=grid has the shape \[60, 2\]"),
        ({"data.group_by": "patient", "data.stratify": "y"}, "data.stratify would divide them"),
        ({"data.group_by": "patient", "data.folds": 13, "data.test_fraction": 0.0}, "more than the 12 groups"),
        ({"data.group_by": "patient", "data.val_fraction": 0.001}, "the val split of 12 groups is empty"),
    ],
)
def test_groups_that_cannot_be(tmp_path, own, settings, message):
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path, **own, **settings)


def test_data_without_named_arrays_have_no_groups(tmp_path):
    with pytest.raises(ConfigError, match=r"has no data\.inputs"):
        opened(tmp_path, data="digits", **{"data.group_by": "patient"})


def test_an_order_of_one_s_own_says_what_an_epoch_has(tmp_path, own):
    settings = {**own, "data.order": {"_target_": f"{__name__}.Halves"}, "data.val_fraction": 0.0}
    seen = []
    for epoch in range(3):
        data = opened(tmp_path, epoch=epoch, **settings)
        seen.append(torch.cat([inputs[:, 0] for inputs, _ in batches(data)]).tolist())
    train = (2.0 * data.split.train).tolist()
    assert seen == [train[:24], train[24:], train[:24]]
    late = opened(tmp_path, epoch=1, first=2, **settings)
    assert torch.cat([inputs[:, 0] for inputs, _ in batches(late)]).tolist() == train[36:]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"_target_": f"{__name__}.Halves", "sideways": True}, "data.order has no setting sideways"),
        ({"_target_": "builtins.max"}, "data.order"),
        ({"_target_": f"{__name__}.both"}, "makes a tuple, no Order"),
    ],
)
def test_orders_that_cannot_be(tmp_path, own, order, message):
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path, **own, **{"data.order": order}).train_order()
