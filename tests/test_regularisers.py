"""Each regulariser is one change to whatever it is put on, and the set-up that they are made for overfits."""

import pytest

from encore.analysis.results.metrics import curve
from encore.config import places
from encore.config.compose import composed, config_from
from encore.config.facts import leaves

# What each changes; of a part that it chooses, any setting.
CHANGES = {
    "none": {},
    "early_stopping": {"callbacks.early_stopping": None},
    "norm_penalty": {"optim.weight_decay": 0.01},
    "augmentation": {"augment": None},
    "input_noise": {"augment": None},
    "weight_noise": {"task.weight_noise": 0.03},
    "label_smoothing": {"task.label_smoothing": 0.1},
    "mixup": {"augment": None},
    "cutmix": {"augment": None},
    "dropout": {"model.dropout": 0.5},
    "batch_norm": {"model.norm": "batch"},
    "more_data": {"data.fraction": 1.0},
    "fewer_features": {"model.pool": 2},
    "smaller_network": {"model.widths": [64]},
}


def test_every_regulariser_is_here():
    assert CHANGES.keys() == {file.stem for file in (places.engine() / "regulariser").glob("*.yaml")}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("option", CHANGES)
def test_a_regulariser_changes_what_it_says_and_nothing_else(option):
    before, after = (
        dict(leaves(config_from({"experiment": "overfit", **more}))) for more in ({}, {"regulariser": option})
    )
    changed = {path for path in before.keys() | after.keys() if before.get(path, ...) != after.get(path, ...)}
    expected = {"regulariser.name": option, **CHANGES[option]}
    for path in changed:
        assert any(f"{path}.".startswith(f"{known}.") for known in expected), path
    for path, value in expected.items():
        assert any(f"{one}.".startswith(f"{path}.") for one in changed), path
        assert value is None or after[path] == value


def test_a_run_without_one_knows_nothing_of_them():
    assert "regulariser" not in composed([])


def test_a_regulariser_wins_over_the_experiment_and_the_command_line_over_both():
    words = {"experiment": "fashion_mnist_cnn", "regulariser": "mixup"}
    assert list(config_from(words)["augment"]) == ["mixup"]
    assert list(config_from({**words, "augment": ["noise"]})["augment"]) == ["noise"]


@pytest.mark.slow
def test_the_set_up_overfits_and_early_stopping_stops_on_its_way(run):
    plain, early = (run({"experiment": "overfit", "regulariser": name}) for name in ("none", "early_stopping"))
    training, validation = (curve(plain.folder, f"{split}/loss")[1] for split in ("train", "val"))
    best = plain.best["epoch"]
    assert training[-1] < 0.01
    assert validation[0] > 2 * validation[best]
    assert validation[-1] > 1.2 * validation[best]
    assert early.best == plain.best
    assert early.epochs == best + 1 + 10
    assert curve(early.folder, "val/loss")[1] == validation[: early.epochs]
