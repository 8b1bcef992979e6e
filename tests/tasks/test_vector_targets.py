"""Targets of several numbers, and their normalisation: losses in normalised units, metrics in the targets' own."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from endings import asked_to_stop, assert_same

from encore.config.compose import config_from
from encore.errors import ConfigError, InputError, Preempted
from encore.provenance.fingerprint import fingerprint
from encore.runner.parts import adapt, build_data, build_task
from encore.runner.training import evaluate

ROWS = [[float(i), float(i % 3)] for i in range(12)]
TARGETS = [[1000.0 + 300 * a, 0.1 * b - 0.01 * a] for a, b in ROWS]
TWO = {
    "task": "regression",
    "data": "exam_scores",
    "data.shape": [2],
    "data.train.data": ROWS,
    "data.train.targets": TARGETS,
    "+data.num_targets": 2,
    "data.test_fraction": 0.25,
    "data.val_fraction": 0.25,
    "data.batch_size": 3,
    "model": "linear",
    "optim": "sgd",
    "optim.lr": 0.05,
    "trainer.max_epochs": 2,
    "+task.metrics.mse._target_": "torchmetrics.MeanSquaredError",
    "+task.metrics.large": {"_target_": "encore.tasks.column_error.ColumnError", "column": 0},
    "+task.metrics.small": {"_target_": "encore.tasks.column_error.ColumnError", "column": 1, "error": "mae"},
}


def parts(**changes):
    cfg = config_from({**TWO, **changes})
    data, task = build_data(cfg), build_task(cfg)
    adapt(task, data)
    return data, task


def test_as_many_outputs_as_the_dataset_says_it_has_targets(run):
    assert config_from(TWO)["task"]["num_outputs"] == config_from(TWO)["model"]["num_outputs"] == 2
    metrics = run(TWO).metrics
    assert metrics["val/mse"] == pytest.approx(metrics["val/loss"])


@pytest.mark.parametrize("norm", ["standardize", "minmax", {"mean": [1000.0, 0.0], "std": [500.0, 0.1]}])
def test_targets_are_normalised_by_the_training_examples_and_predictions_are_in_their_own_units(norm):
    data, task = parts(**{"data.normalize_targets": norm})
    targets = data.source.targets[data.split.train]
    known = {"standardize": (targets.mean(0), targets.std(0)), "minmax": (targets.amin(0), np.ptp(targets.numpy(), 0))}
    center, spread = known[norm] if isinstance(norm, str) else map(torch.tensor, norm.values())
    torch.testing.assert_close(task.target_center, center)
    torch.testing.assert_close(1 / task.target_scale, torch.as_tensor(spread))
    normalised = (targets - center) / torch.as_tensor(spread)
    torch.testing.assert_close(task.prediction(normalised), targets)
    assert task.loss(normalised, targets).item() == pytest.approx(0, abs=1e-9)


def test_record_evaluation_and_checkpoint_agree_in_both_units(run, tmp_path):
    kept = run({**TWO, "data.normalize_targets": "standardize"})
    raw = run(TWO)
    cfg = config_from({**TWO, "data.normalize_targets": "standardize"})
    for weights in ("best", "last"):
        again = evaluate(cfg, kept.folder / "checkpoints" / f"{weights}.ckpt", tmp_path / weights)
        assert {name: again[name] for name in kept.metrics if name.startswith("test/")} == {
            name: value for name, value in kept.metrics.items() if name.startswith("test/")
        }
    data, _ = parts()
    spread = data.source.targets[data.split.train].std(0)[0].item()
    assert (
        kept.metrics["test/loss"] > kept.metrics["test/large"] / spread**2 / 2 > 0
    )  # the other half is the small one's
    assert kept.metrics["test/mse"] == pytest.approx(kept.metrics["test/large"] / 2, rel=1e-3)
    assert raw.metrics["test/loss"] == raw.metrics["test/mse"]


def test_what_is_not_used_makes_no_other_run_and_saves_nothing(run):
    plain = run(TWO)
    said = {"data.normalize_targets": "none", "task.loss": "mse", "task.penalty.norm": "l1"}
    assert run({**TWO, **said}).fingerprint == plain.fingerprint
    held = torch.load(plain.folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert not [name for name in held if name.startswith("target_")]


@pytest.mark.parametrize(
    "change",
    [
        {"data.normalize_targets": "minmax"},
        {"task.loss": "mae"},
        {"task.loss": "huber"},
        {"task.penalty.weight": 0.1},
        {"task.penalty": {"norm": "l1", "weight": 0.1}},
    ],
)
def test_what_is_used_makes_another_run(change):
    assert fingerprint(config_from({**TWO, **change})) != fingerprint(config_from(TWO))


@pytest.mark.parametrize(("loss", "expected"), [("mse", 17 / 4), ("mae", 5 / 4), ("huber", (0 + 0.5 + 3.5 + 0) / 4)])
def test_losses_are_means_over_examples_and_columns(loss, expected):
    _, task = parts(**{"task.loss": loss})
    outputs, targets = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 3.0], [7.0, 4.0]])
    assert task.loss(outputs, targets).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"task.num_outputs": 3}, ConfigError, "num_outputs=2 fits them"),
        ({"+data.num_targets": 3}, InputError, "data.num_targets=3 numbers"),
        ({"data.train.targets": [[1.0]] * 11 + [[1.0, 2.0]]}, ConfigError, "one length"),
        ({"task.loss": "squared"}, ConfigError, "mse, mae, huber"),
        ({"data.normalize_targets": "zscore"}, ConfigError, "standardize, minmax, none"),
        ({"data.normalize_targets": {"y": "minmax"}}, ConfigError, "mean and std"),
        ({"data.normalize_targets": {"mean": [0, 0, 0], "std": [1.0]}}, ConfigError, "normalize_targets.mean has 3"),
        ({"task": "likelihood", "data.normalize_targets": "minmax"}, ConfigError, "only task=regression"),
        ({"+task.metrics.third": {"_target_": "encore.tasks.column_error.ColumnError", "column": 2}}, ConfigError,
         "2 columns, from 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_leaves_no_folder(run, tmp_path, change, error, said):
    with pytest.raises(error, match=said):
        run({**TWO, **change})
    assert not list(tmp_path.glob("runs/**/result.json"))


def test_a_task_that_would_not_normalise_targets_is_refused(run):
    data, _ = parts(**{"data.normalize_targets": "minmax"})
    with pytest.raises(ConfigError, match="LightningModule would learn targets as they are"):
        adapt(pl.LightningModule(), data)


def test_a_run_stopped_within_an_epoch_resumes_to_the_same_bits(run, tmp_path, monkeypatch):
    everything = {
        **TWO,
        "data.normalize_targets": "standardize",
        "task.loss": "huber",
        "task.penalty": {"norm": "l2", "weight": 0.01},
    }
    reference = run({**everything, "runs_dir": str(tmp_path / "reference")})
    with asked_to_stop(monkeypatch, 1), pytest.raises(Preempted):
        run(everything)
    again = run(everything)
    assert "step 1" in (again.folder / "train.log").read_text()
    assert_same(again.folder, reference.folder)


def test_the_header_says_what_is_normalised_and_penalised(run, capsys):
    run({**TWO, "data.normalize_targets": "minmax", "task.penalty": {"norm": "l1", "weight": 0.5}})
    said = capsys.readouterr().out
    assert "standardize; targets minmax" in said
    assert "penalty 0.5 · l1" in said


def test_figures_of_any_size_stand_apart():
    from encore.runner.summary import table

    said = table({"train/loss": 1687246.125, "val/loss": 11767792.0, "test/loss": 1.0, "optim/lr": 0.1})
    assert [line.split()[1:] for line in said.splitlines()] == [
        ["val", "test"], ["1687246.1250", "11767792.0000", "1.0000"], ["0.1000"],
    ]  # fmt: skip
