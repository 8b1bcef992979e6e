"""What a config says, it means: what would not be heeded, or would turn a figure round, is refused with a remedy."""

from pathlib import Path

import pytest

from encore.config.compose import config_from
from encore.errors import ConfigError

STOPPING = {"callbacks": "early_stopping"}
PLATEAU = {"scheduler": "plateau"}
SAVER = {"_target_": "pytorch_lightning.callbacks.ModelCheckpoint"}
ACCURACY = {"_target_": "torchmetrics.Accuracy", "task": "multiclass", "num_classes": 10}
CALIBRATION = {"_target_": "torchmetrics.classification.MulticlassCalibrationError", "num_classes": 10}
BY_ACCURACY = {"monitor.metric": "val/accuracy", "monitor.mode": "max"}

ROUND = [
    ({"callbacks.checkpoint.mode": "max"}, "callbacks.checkpoint.mode=max would choose the worst val/loss: "
     "callbacks.checkpoint.mode=min the best"),
    ({"callbacks.checkpoint.monitor": "val/accuracy"}, "callbacks.checkpoint.mode=max the best"),
    ({"callbacks.checkpoint.monitor": "nope"}, "callbacks.checkpoint.monitor=nope is never logged; choose from"),
    ({"+callbacks.best": {**SAVER, "monitor": "val/accuracy"}}, "callbacks.best.mode=max the best"),
    ({"+callbacks.best": {**SAVER, "monitor": "nope"}}, "callbacks.best.monitor=nope is never logged"),
    ({**STOPPING, "callbacks.early_stopping.mode": "max"}, "would wait for the worst val/loss"),
    ({**STOPPING, "callbacks.early_stopping.monitor": "val/accuracy"}, "callbacks.early_stopping.mode=max the best"),
    ({**PLATEAU, "scheduler.mode": "max"}, "scheduler.mode=max would wait for the worst val/loss"),
    ({**PLATEAU, "scheduler.monitor": "val/accuracy"}, "scheduler.mode=max the best"),
    ({"+task.metrics.hits": ACCURACY, "monitor.metric": "val/hits"}, "monitor.mode=max the best"),
    ({"+task.metrics.ece": CALIBRATION, "monitor.metric": "val/ece", "monitor.mode": "max"}, "monitor.mode=min the"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "message"), ROUND)
def test_a_mode_that_takes_the_worst_for_the_best_and_a_metric_that_is_never_logged(overrides, message):
    with pytest.raises(ConfigError) as caught:
        config_from(overrides)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        BY_ACCURACY,
        {**STOPPING, "callbacks.early_stopping.monitor": "val/accuracy", "callbacks.early_stopping.mode": "max"},
        {**PLATEAU, "scheduler.monitor": "val/accuracy", "scheduler.mode": "max"},
        {"+callbacks.best": {**SAVER, "monitor": "val/accuracy", "mode": "max"}},
        {"+callbacks.best": SAVER},
        {"data.val_fraction": 0.0},
        {"+task.metrics.ece": CALIBRATION, "monitor.metric": "val/ece"},
    ],
)
def test_a_mode_that_is_the_metrics_own(overrides):
    config_from(overrides)


def test_of_one_mistake_that_others_refer_to_there_is_one_message():
    with pytest.raises(ConfigError) as caught:
        config_from({"monitor.mode": "max"})
    assert str(caught.value).count("\n") == 0


TRAINER = [
    ({"trainer.limit_train_batches": 0}, "trainer.limit_train_batches=0: must be greater than 0"),
    ({"trainer.limit_train_batches": 0.0}, "trainer.limit_train_batches=0.0: must be greater than 0"),
    ({"trainer.limit_val_batches": -1}, "trainer.limit_val_batches=-1: must be a whole number, at least 0"),
    ({"trainer.limit_test_batches": 1.5}, "or a share of them from 0.0 to 1.0"),
    ({"trainer.val_check_interval": 0}, "trainer.val_check_interval=0: must be greater than 0"),
    ({"trainer.val_check_interval": -1}, "trainer.val_check_interval=-1: must be"),
    ({"trainer.val_check_interval": "00:00:00:00"}, "must be longer than nothing"),
    ({"trainer.check_val_every_n_epoch": 0}, "trainer.check_val_every_n_epoch=0: must be a whole number, at least 1"),
    ({"trainer.check_val_every_n_epoch": 99}, "trainer.limit_val_batches=0 does without validation"),
    ({"trainer.check_val_every_n_epoch": 2, **PLATEAU}, "scheduler.frequency=2 looks at it then"),
    ({"trainer.max_steps": 0}, "trainer.max_steps=0: must be a whole number, at least 1, or -1"),
    ({"trainer.max_time": "00:00:00:00"}, "trainer.max_time=00:00:00:00: must be longer than nothing"),
    ({"trainer.max_time": {"seconds": 0}}, "must be longer than nothing"),
    ({"trainer.min_epochs": -3}, "trainer.min_epochs=-3: must be a whole number, at least 0"),
    ({"trainer.accelerator": "tpu"}, "trainer.accelerator=tpu: must be one of auto, cpu, gpu, cuda, mps"),
    ({"trainer.overfit_batches": 1}, "trainer.overfit_batches=1 would shuffle on: debug=overfit"),
    ({"trainer.fast_dev_run": True}, "trainer.fast_dev_run=true would be recorded as a run of its own, with figures of "
     "one batch: debug=fast"),
    ({"trainer.fast_dev_run": 3}, "trainer.fast_dev_run=3 would be recorded"),
    ({"trainer.num_sanity_val_steps": 2}, "trainer.num_sanity_val_steps is not set here"),
    ({"trainer.plugins": "nope"}, "trainer.plugins is not set here"),
    ({"trainer.callbacks": []}, "trainer.callbacks is not set here: callbacks has them by name"),
]  # fmt: skip


def added(overrides):
    """Overrides of which those that a stock config lacks are added."""
    new = set(map(str, overrides)) - {"trainer.max_steps", "trainer.accelerator", "trainer.max_epochs"}
    return {f"+{key}" if key in new and key.startswith("trainer.") else key: value for key, value in overrides.items()}


@pytest.mark.parametrize(("overrides", "message"), TRAINER)
def test_a_setting_of_the_trainer_that_would_fail_within_the_run_or_not_be_heeded(overrides, message):
    with pytest.raises(ConfigError) as caught:
        config_from(added(overrides))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        {"trainer.limit_train_batches": 1.0, "trainer.limit_val_batches": 0, "trainer.limit_test_batches": 0.5},
        {"trainer.val_check_interval": 0.5},
        {"trainer.val_check_interval": "00:00:30:00"},
        {"trainer.max_time": "00:00:00:30"},
        {"trainer.max_time": {"minutes": 1}},
        {"trainer.check_val_every_n_epoch": 99, "trainer.limit_val_batches": 0},
        {"trainer.overfit_batches": 0},
        {"trainer.fast_dev_run": False},
        {"trainer.max_steps": -1},
        {"debug": "overfit"},
    ],
)
def test_a_setting_of_the_trainer_that_means_something(overrides):
    config_from(added(overrides))


LIMITS = [
    {"debug": "fast"}, {"debug": "overfit"}, {"trainer.limit_train_batches": 3}, {"trainer.limit_val_batches": 0.5},
    {"trainer.limit_test_batches": 1}, {"trainer.max_steps": 7},
    {
        "data": "lightning", "data._target_": "mine.LitData", "task": "lightning", "task._target_": "mine.LitModel",
        "model": "none", "optim": "none", "trainer.overfit_batches": 1,
    },
]  # fmt: skip


@pytest.mark.parametrize("overrides", LIMITS)
def test_a_run_of_a_part_of_the_batches_is_another_run_and_is_told_apart(overrides):
    from encore.analysis.results.run_table import compared
    from encore.provenance.fingerprint import essential, hash_of

    others = {key: value for key, value in overrides.items() if not key.startswith(("trainer", "debug"))}
    part, whole = config_from(added(overrides)), config_from(others)
    assert hash_of(essential(part)) != hash_of(essential(whole))
    limits = [name for name, value in compared(part).items() if compared(whole).get(name) != value]
    assert [name for name in limits if name.startswith("trainer.")]


def test_a_plateau_looks_at_its_metric_in_the_epochs_that_have_it(run):
    every = {"+trainer.check_val_every_n_epoch": 2, "+scheduler.frequency": 2, "trainer.max_epochs": 4}
    result = run({"data": "digits", "data.fraction": 0.1, **PLATEAU, **every})
    assert result.epochs == 4
    assert result.metrics["val/loss"]


VECTOR = {"+task.metrics.hits": {**ACCURACY, "average": None}}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({**VECTOR, "monitor.metric": "val/hits", "monitor.mode": "max"}, "monitor.metric=val/hits is more than one"),
        (
            {**VECTOR, **PLATEAU, "scheduler.monitor": "val/hits", "scheduler.mode": "max"},
            "scheduler.monitor=val/hits is more than one",
        ),
        ({**STOPPING, "callbacks.early_stopping.patience": -1}, "callbacks.early_stopping.patience=-1: must be"),
        ({**STOPPING, "callbacks.early_stopping.min_delta": float("nan")}, "min_delta=nan: must be a finite number"),
        ({"+trainer.val_check_interval": 1000}, "`val_check_interval` (1000) must be less than or equal"),
    ],
)
def test_what_only_building_finds_is_found_before_the_first_step_and_leaves_nothing(run, tmp_path, overrides, message):
    with pytest.raises(ConfigError) as caught:
        run({"data": "digits", "data.fraction": 0.1, "trainer.max_epochs": 1, **overrides})
    assert message in str(caught.value)
    assert not [file for file in (tmp_path / "runs").rglob("*") if file.is_file()]


def test_a_metric_of_several_numbers_that_nothing_is_chosen_by_becomes_a_table(run):
    result = run({"data": "digits", "data.fraction": 0.1, "trainer.max_epochs": 1, **VECTOR})
    assert "val/hits" not in result.metrics
    assert (result.folder / "tables" / "val-hits.csv").is_file()


def test_a_model_that_timm_does_not_know(run):
    pytest.importorskip("timm")
    with pytest.raises(ConfigError, match=r"cannot build model from timm\.create_model: Unknown model \(nope\)"):
        run("data=digits", "~model", "+model={_target_: timm.create_model, name: net, model_name: nope}")


OWN_METRICS = """
import torchmetrics


class Yield(torchmetrics.MeanMetric):  # neither its name nor its base class tells
    higher_is_better = True

    def update(self, predicted, targets):
        super().update(predicted.float().mean())


class ErrorsFound(Yield):  # its name tells the opposite
    pass


class Anything(Yield):
    higher_is_better = None
"""
KAPPA = {"_target_": "torchmetrics.CohenKappa", "task": "multiclass", "num_classes": 10}


def own(name):
    return {"_target_": f"own_metrics_of_meaning.{name}"}


@pytest.mark.parametrize(
    ("metric", "wrong"),
    [(KAPPA, "min"), (own("Yield"), "min"), (own("ErrorsFound"), "min"), (own("Anything"), None)],
    ids=lambda value: value["_target_"].rpartition(".")[2] if isinstance(value, dict) else value,
)
@pytest.mark.parametrize("where", ["monitor", "plateau"])
def test_a_metric_itself_says_which_way_is_better(tmp_path, monkeypatch, metric, wrong, where):
    from encore.runner.parts import assemble
    from encore.stopping import Stop

    (tmp_path / "own_metrics_of_meaning.py").write_text(OWN_METRICS)
    monkeypatch.syspath_prepend(tmp_path)
    base = {"trainer.accelerator": "cpu", "data.fraction": 0.1, "logger": "csv", "+task.metrics.own": metric}
    watching = (
        {"monitor.metric": "val/own", "monitor.mode": "{}"}
        if where == "monitor"
        else {**PLATEAU, "scheduler.monitor": "val/own", "scheduler.mode": "{}"}
    )
    for mode in ("min", "max"):
        cfg = config_from({**base, **{key: mode if value == "{}" else value for key, value in watching.items()}})
        if mode != wrong:
            assemble(cfg, tmp_path, Stop())
            continue
        with pytest.raises(ConfigError, match=r"the worst val/own: (monitor|scheduler)\.mode=max the best"):
            assemble(cfg, tmp_path, Stop())
        assemble(cfg, tmp_path, Stop(), chooses=False)  # as of a finished run, recorded before this was looked at


def test_no_name_of_torchmetrics_says_the_opposite_of_its_class():
    import torchmetrics

    from encore.config.directions import mode_of

    for name in torchmetrics.__all__:
        higher = getattr(getattr(torchmetrics, name), "higher_is_better", None)
        if isinstance(higher, bool) and mode_of(name) is not None:
            assert mode_of(name) == ("max" if higher else "min"), name


@pytest.mark.parametrize(
    ("metric", "mode", "better"),
    [("val_acc", "min", "max"), ("val_loss", "max", "min"), ("val_acc", "max", None), ("val_loss", "min", None)],
)
def test_a_task_from_elsewhere_is_asked_for_the_metrics_that_it_logs(tmp_path, monkeypatch, metric, mode, better):
    from encore.runner.parts import assemble
    from encore.stopping import Stop

    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "runner")
    words = {
        "data": "lightning", "data._target_": "lightning_docs.LitData", "data.batch_size": 16, "task": "lightning",
        "task._target_": "lightning_docs.LitModel", "model": "none", "optim": "none", "trainer.accelerator": "cpu",
        "logger": "csv", "monitor.metric": metric, "monitor.mode": mode,
    }  # fmt: skip
    cfg = config_from(words)
    if better is None:
        assemble(cfg, tmp_path, Stop())
        return
    with pytest.raises(ConfigError, match=f"would choose the worst {metric}: monitor.mode={better} the best"):
        assemble(cfg, tmp_path, Stop())
