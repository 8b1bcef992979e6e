"""Each of Lightning's callbacks does in a run what it does elsewhere, or is refused with the reason."""

import importlib.util
from pathlib import Path

import pytest
import torch
import yaml
from endings import SMALL, asked_to_stop, assert_same

from encore.errors import ConfigError, Preempted
from encore.record.checkpoint_files import BEST, load
from encore.runner.training import evaluate, restored

QUICK = {**SMALL, "callbacks.progress": None}
LIGHTNING = "pytorch_lightning.callbacks."
TWO_PARTS = {
    "model._target_": "foreign.TwoParts",
    **{f"~model.{name}": None for name in ("in_shape", "widths", "activation", "dropout", "norm", "pool")},
}


def added(target, **settings):
    """The overrides that add a callback."""
    return {"+callbacks.x": {"_target_": target if "." in target else LIGHTNING + target, **settings}}


def resumed(run, monkeypatch, settings):
    """A run that is stopped in each of its epochs, and resumed."""
    for batch in (3, 6, 10):
        with asked_to_stop(monkeypatch, batch), pytest.raises(Preempted):
            run(settings)
    return run(settings)


EXACT = {
    "model checkpoint": added("ModelCheckpoint", monitor="val/loss", save_top_k=2),
    "model checkpoint by steps": added("ModelCheckpoint", every_n_train_steps=3, save_top_k=-1),
    "moving average": {**added("EMAWeightAveraging", decay=0.5), "model.norm": "batch"},
    "average of epochs": added("encore.callbacks.averaging.WeightAverage", start_epoch=1),
    "finetuning": {**added("BackboneFinetuning", unfreeze_backbone_at_epoch=1, train_bn=False), **TWO_PARTS},
    "accumulation": added("GradientAccumulationScheduler", scheduling={0: 2, 2: 1}),
    "timer": added("Timer", duration="00:01:00:00"),
    "learning rate": added("LearningRateMonitor"),
    "of one's own": added("foreign.Decay"),
    "bar": {"callbacks.progress": {"_target_": f"{LIGHTNING}TQDMProgressBar"}},
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("settings", EXACT.values(), ids=EXACT.keys())
def test_a_run_with_a_callback_is_resumed_to_the_same_bits(run, tmp_path, monkeypatch, settings):
    settings = {**QUICK, **settings}
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    result = resumed(run, monkeypatch, settings)
    assert_same(result.folder, reference.folder)
    assert saved(result.folder) == saved(reference.folder)


def saved(folder):
    return {file.relative_to(folder) for file in folder.rglob("*.ckpt") if file.name != "previous.ckpt"}


REFUSED = {
    "LearningRateFinder": ({}, "callbacks=lr_finder finds one that the record holds"),
    "BatchSizeFinder": ({}, "encore find_batch_size says what fits"),
    "StochasticWeightAveraging": ({"swa_lrs": 0.1}, "encore.callbacks.averaging.WeightAverage computes the same"),
    "OnExceptionCheckpoint": ({"dirpath": "x"}, "callbacks.checkpoint.every_n_steps=100 saves more often"),
    "ModelPruning": ({"pruning_fn": "l1_unstructured"}, "Prune the weights of a finished run"),
    "BasePredictionWriter": ({}, "a run does not predict"),
    "BackboneFinetuning": ({}, "give a part of your model that name"),
    "TQDMProgressBar": ({}, "callbacks.progress=null removes Encore's"),
    "ModelCheckpoint": ({"dirpath": "checkpoints"}, "without a dirpath ModelCheckpoint saves into checkpoints/x"),
    "EarlyStopping": ({"monitor": "val/f1"}, r"callbacks.x.monitor=val/f1 is never logged; choose from train/loss"),
    "LambdaCallback": ({"on_train_start": "foreign.tell"}, "_target_: my_module.my_function, _partial_: true"),
    "encore.callbacks.averaging.WeightAverage": ({"start_epoch": 3}, "epochs count from 0, and there are 3 of them"),
    "foreign.TwoParts": ({"num_outputs": 1}, "callbacks.x: foreign.TwoParts is not a Lightning Callback"),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_part_of_a_run_is_refused_before_it_begins(run, tmp_path, kind):
    settings, reason = REFUSED[kind]
    progress = {} if "Bar" in kind else {"callbacks.progress": None}
    with pytest.raises(ConfigError, match=reason):
        run({**SMALL, **progress, **added(kind, **settings)})
    assert not list((tmp_path / "runs").rglob("*"))


@pytest.mark.parametrize(
    ("kind", "package"), [("DeviceStatsMonitor", "psutil"), ("RichProgressBar", "rich"), ("RichModelSummary", "rich")]
)
def test_a_missing_package_is_named(run, tmp_path, monkeypatch, kind, package):
    monkeypatch.setattr("encore.config.packages.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=f"callbacks.x needs a package that is not installed: uv pip install {package}"
    ):
        run({**QUICK, **added(kind)})
    assert not list((tmp_path / "runs").rglob("*"))


@pytest.mark.parametrize("kind", ["LearningRateMonitor", "DeviceStatsMonitor"])
def test_what_logs_needs_a_logger_to_train_and_none_to_evaluate(run, tmp_path, kind):
    with pytest.raises(ConfigError, match=r"callbacks.x: .*Monitor logs, and the run has no logger: logger=csv"):
        run({**QUICK, "logger": "none", **added(kind)})
    assert not list((tmp_path / "runs").rglob("*"))
    if kind == "LearningRateMonitor":
        result = run({**QUICK, **added(kind)})
        cfg = yaml.safe_load((result.folder / "config.yaml").read_text())
        found = evaluate(cfg, result.folder / "checkpoints" / BEST, tmp_path)
        assert found["test/loss"] == pytest.approx(result.metrics["test/loss"])


def test_device_stats_are_logged(run):
    if importlib.util.find_spec("psutil") is None:
        pytest.skip("needs psutil: uv pip install psutil")
    result = run({**QUICK, **added("DeviceStatsMonitor", cpu_stats=True)})
    assert "cpu_percent" in (result.folder / "metrics.csv").read_text()


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("EMAWeightAveraging", {"decay": 0.6}), ("encore.callbacks.averaging.WeightAverage", {}), ("WeightAveraging", {})],
)
def test_best_weights_are_those_that_validation_saw(run, tmp_path, kind, settings):
    rough = {"optim.lr": 0.3, "trainer.max_epochs": 5, "seed": 3}
    result = run({**QUICK, **rough, **added(kind, **settings)})
    best = result.folder / "checkpoints" / BEST
    cfg = yaml.safe_load((result.folder / "config.yaml").read_text())
    parts = restored(cfg, best, tmp_path)
    (found,) = parts.trainer.validate(parts.task, parts.data, verbose=False)
    assert found["val/loss"] == pytest.approx(load(best)["best"]["value"], rel=1e-6)
    assert result.monitored == load(best)["best"]["value"]


def test_an_average_of_epochs_is_the_mean_of_their_weights(run, tmp_path):
    plain = added("ModelCheckpoint", save_top_k=-1, filename="{epoch}")
    each = run({**QUICK, **plain}).folder / "checkpoints" / "x"
    averaged = run({**QUICK, **added("encore.callbacks.averaging.WeightAverage", start_epoch=1)})
    epochs = [torch.load(each / f"epoch={epoch}.ckpt", weights_only=True)["state_dict"] for epoch in (1, 2)]
    last = load(averaged.folder / "checkpoints" / "last.ckpt")["state_dict"]
    for name in ("net.layers.0.weight", "net.layers.2.bias"):
        torch.testing.assert_close(last[name], (epochs[0][name] + epochs[1][name]) / 2)


def test_a_summary_and_a_profile_are_shown(run):
    result = run({**QUICK, **added("ModelSummary", max_depth=2), "+trainer.profiler": "simple"})
    assert "Trainable params" in (result.folder / "train.log").read_text()
    assert "run_training_batch" in (result.folder / "fit-profile.txt").read_text()


def test_an_unknown_profiler_is_refused(run):
    with pytest.raises(
        ConfigError, match=r"trainer.profiler=pytorch: choose from simple, advanced; trainer.profile=true"
    ):
        run({**QUICK, "+trainer.profiler": "pytorch"})


def test_recipes_within_a_callback_are_built(run, tmp_path):
    told = tmp_path / "told"
    hook = {"_target_": "foreign.tell", "_partial_": True, "_args_": [str(told)]}
    run({**QUICK, **added("LambdaCallback", on_train_epoch_end=hook)})
    assert told.read_text().split() == ["0", "1", "2"]


def test_lightnings_bar_shows_all_the_steps_of_a_call(run, capfd):
    run({**SMALL, "callbacks.progress": {"_target_": f"{LIGHTNING}TQDMProgressBar"}})
    said = capfd.readouterr()
    assert "4/4" in said.out + said.err
    assert "one optimiser step per call" not in said.out


def test_a_bar_in_the_place_of_encores_makes_no_run_another(run):
    without = run({**QUICK})
    bar = run({**SMALL, "callbacks.progress": {"_target_": f"{LIGHTNING}TQDMProgressBar"}})
    assert bar.fingerprint == without.fingerprint


def test_model_checkpoints_are_in_the_folder_of_the_run(run, tmp_path):
    result = run({**QUICK, **added("ModelCheckpoint", dirpath="mine", filename="{epoch}")})
    assert [file.name for file in (result.folder / "mine").glob("*.ckpt")] == ["epoch=2.ckpt"]
    assert not Path("mine").exists()
