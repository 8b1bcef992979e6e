import copy

import pytest

from encore.config.check import check
from encore.config.compose import config_from
from encore.errors import ConfigError


@pytest.fixture(scope="module")
def default():
    return config_from({})


def changed(cfg, path, value):
    cfg = copy.deepcopy(cfg)
    node = cfg
    *parents, last = path.split(".")
    for key in parents:
        node = node[key]
    node[last] = value
    return cfg


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", -1),
        ("seed", None),
        ("seed", True),
        ("seed", 1.5),
        ("optim.lr", "abc"),
        ("optim.lr", 0),
        ("optim.lr", float("nan")),
        ("optim.weight_decay", -1e-4),
        ("data.batch_size", 0),
        ("data.batch_size", 6.4),
        ("data.batch_size", "everything"),
        ("data.fraction", 0),
        ("data.fraction", 1.1),
        ("data.val_fraction", 1),
        ("data.folds", 1),
        ("data.fold", -1),
        ("data.bootstrap", True),
        ("data.weights", {"path": 3}),
        ("data.normalize", "zscore"),
        ("data.normalize", {"mean": [0.5]}),
        ("data.normalize", {"mean": [0.5], "std": [0.0]}),
        ("model.widths", [128, 0]),
        ("model.widths", 128),
        ("model.dropout", 1.0),
        ("model.dropout", None),
        ("model.norm", "group"),
        ("task.weight_noise", -1),
        ("task.label_smoothing", 1),
        ("task.init_seed", 1.5),
        ("task.init_skip", 10**9),
        ("callbacks.checkpoint.every_n_steps", 0),
        ("callbacks.checkpoint.every_n_minutes", 0),
        ("callbacks.checkpoint.min_seconds_between", -1),
        ("model.pool", 0),
        ("trainer.max_epochs", 0),
        ("trainer.precision", "8-bit"),
        ("monitor.mode", "best"),
        ("data.resident", "yes"),
        ("data.name", "a/b"),
    ],
)
def test_impossible_values_are_named_with_their_setting(default, path, value):
    with pytest.raises(ConfigError, match=path):
        check(changed(default, path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("optim.lr", 1),
        ("optim.weight_decay", 0),
        ("data.fraction", 0.01),
        ("data.normalize", {"mean": [0.1307], "std": [0.3081]}),
        ("model.widths", []),
        ("trainer.gradient_clip_val", 1.0),
        ("trainer.precision", "bf16-mixed"),
    ],
)
def test_possible_values_pass(default, path, value):
    check(changed(default, path, value))


def test_every_mistake_is_reported_at_once(default):
    cfg = changed(changed(default, "optim.lr", -1), "trainer.max_epochs", 0)
    with pytest.raises(ConfigError) as caught:
        check(cfg)
    assert "optim.lr" in str(caught.value)
    assert "trainer.max_epochs" in str(caught.value)


def test_fractions_that_leave_nothing_to_train_on(default):
    with pytest.raises(ConfigError, match="add up"):
        check(changed(changed(default, "data.val_fraction", 0.5), "data.test_fraction", 0.5))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"monitor.metric": "val/acc"},
            "monitor.metric=val/acc is never logged; choose from train/loss, train/accuracy",
        ),
        ({"callbacks": "early_stopping", "callbacks.early_stopping.monitor": "loss"}, "never logged"),
        ({"scheduler": "plateau", "scheduler.monitor": "val/acc"}, "scheduler.monitor=val/acc is never logged"),
        ({"scheduler": "plateau", "scheduler.interval": "step"}, "once per epoch, not every step"),
        ({"scheduler": "plateau", "debug": "overfit"}, "there is no validation set"),
        ({"monitor.metric": "val/accuracy"}, "would choose the worst val/accuracy: monitor.mode=max the best"),
        ({"monitor.mode": "max"}, "would choose the worst val/loss: monitor.mode=min the best"),
        ({"task.num_outputs": 3}, "task.num_outputs=3 are fewer than the 10 classes of data=digits (data.num_classes)"),
        ({"task": "binary"}, "task=binary is of two classes, and data=digits has 10 classes"),
        ({"task": "binary", "data": "exam_scores"}, "has numbers as targets: task=classification or regression"),
        ({"task": "likelihood"}, "task=likelihood learns numbers, and data=digits has classes"),
        ({"trainer.num_nodes": 2}, "Encore starts processes on this machine only"),
        ({"data.folds": 5, "data.fold": 5}, "data.fold=5 must be from 0 to 4, since data.folds=5"),
        ({"data.fold": 1}, "needs data.folds, the number of folds"),
        ({"data.weights.path": "weights.npy"}, "data.bootstrap=0 turns it on"),
        ({"trainer.devices": "all"}, "must be a number of devices"),
    ],
)
def test_settings_that_contradict_each_other(overrides, message):
    with pytest.raises(ConfigError) as caught:
        config_from({f"+{key}" if key == "trainer.num_nodes" else key: value for key, value in overrides.items()})
    assert message in str(caught.value)


def test_folds_are_a_validation_set_and_count_instead_of_its_fraction():
    config_from({"callbacks": "early_stopping", "data.val_fraction": 0.0, "data.folds": 2})
    config_from({"data.val_fraction": 0.5, "data.test_fraction": 0.5, "data.folds": 2})


def test_early_stopping_on_a_validation_set_that_is_not_there():
    with pytest.raises(ConfigError, match=r"callbacks\.early_stopping\.monitor"):
        config_from({"callbacks": "early_stopping", "data.val_fraction": 0.0})
