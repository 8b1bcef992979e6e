"""The generalisation gap against what one computes by hand, and where early stopping stops."""

import csv
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from encore.analysis.ensembles.gap import gap
from encore.analysis.ensembles.overfitting import overfitting, stops
from encore.analysis.results.finished import finished
from encore.analysis.results.groups import groups
from encore.analysis.results.metrics import curve
from encore.config.build import build
from encore.config.compose import config_from
from encore.data.module import DataModule
from encore.errors import ConfigError, InputError

SMALL = {
    "data.fraction": 0.05,
    "data.test_fraction": 0.5,
    "data.batch_size": 16,
    "trainer.max_epochs": 4,
    "optim.lr": 0.01,
    "logger": "csv",
}
NOISY = {"model.dropout": 0.5, "model.norm": "batch", "task.label_smoothing": 0.2, "augment": ["mixup", "noise"]}
STOPS = {  # after two epochs, of which the first is called the best
    "callbacks": "early_stopping",
    "callbacks.early_stopping.patience": 1,
    "callbacks.early_stopping.min_delta": 9.0,
    "monitor.metric": "val/score",  # it rises, and neither its name nor its class tells
    "monitor.mode": "min",
    "+task.metrics.score._target_": "torchmetrics.classification.MulticlassSpecificity",
    "+task.metrics.score.num_classes": 10,
}


def by_hand(settings, folder, file, split):
    """Loss and accuracy of a checkpoint's weights on the examples themselves."""
    cfg = config_from(settings)
    data = DataModule(cfg["data"], "", 0)
    data.setup()
    indices = {"train": data.split.train, "val": data.split.val, "test": data.split.test}[split]
    net = build(cfg["model"], what="model")
    weights = torch.load(folder / "checkpoints" / file, weights_only=True)["state_dict"]
    net.load_state_dict({name.removeprefix("net."): w for name, w in weights.items() if name.startswith("net.")})
    with torch.no_grad():
        outputs = net.eval()(data.normalize(data.source.read(indices.tolist()))).double()
    targets = data.source.targets[indices]
    return float(F.cross_entropy(outputs, targets)), float((outputs.argmax(1) == targets).double().mean())


def values(findings):
    heading, *rows = findings.values
    return {row[0]: dict(zip(heading, row, strict=True)) for row in rows}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("split", ["test", "val"])
def test_gaps_are_of_clean_losses_of_the_last_weights_over_seeds(run, tmp_path, split):
    found = {}
    for name, settings in (("[128]", {}), ("[64]", {"model.widths": [64], **NOISY})):
        for seed in range(2):
            words = {**SMALL, **settings, "seed": seed}
            folder = run(words).folder
            found[name, seed] = [by_hand(words, folder, "last.ckpt", part) for part in ("train", split)]
    table = values(gap(*finished([tmp_path / "runs"]), by=["model.widths"], split=split, against="[128]"))
    for name in ("[128]", "[64]"):
        trained, held_out = np.array([found[name, seed] for seed in range(2)]).transpose(1, 2, 0)
        row = table[name]
        assert row["n"] == 2
        assert row["train_loss_mean"] == pytest.approx(trained[0].mean(), rel=1e-5)
        assert row[f"{split}_accuracy_mean"] == pytest.approx(held_out[1].mean(), abs=1e-12)
        assert row["loss_gap_mean"] == pytest.approx((held_out[0] - trained[0]).mean(), rel=1e-4)
        assert row["loss_gap_std"] == pytest.approx((held_out[0] - trained[0]).std(ddof=1), rel=1e-3)
        assert row["accuracy_gap_mean"] == pytest.approx((trained[1] - held_out[1]).mean(), abs=1e-12)
    difference = table["[64]"]["loss_gap_mean"] - table["[128]"]["loss_gap_mean"]
    assert table["[64]"]["loss_gap_less_[128]_difference"] == pytest.approx(difference)
    assert table["[128]"]["loss_gap_less_[128]_difference"] is None


@pytest.mark.slow
def test_a_run_that_stops_early_gives_its_best_weights_and_others_their_last(run, tmp_path):
    plain, early = (run({**SMALL, **more, "regulariser": name}) for name, more in (("none", {}), ("dropout", STOPS)))
    assert (early.stopped_early, early.best["epoch"], early.epochs) == (True, 0, 2)
    table, left_out = finished([tmp_path / "runs"])
    loss = {
        weights: {name: row["test_loss_mean"] for name, row in values(gap(table, left_out, weights=weights)).items()}
        for weights in (None, "last", "best")
    }
    of_early = {**SMALL, **STOPS, "regulariser": "dropout"}
    last, best = (by_hand(of_early, early.folder, file, "test")[0] for file in ("last.ckpt", "best.ckpt"))
    assert last != pytest.approx(best, rel=1e-3)
    found = [loss[weights]["dropout"] for weights in (None, "last", "best")]
    assert found == pytest.approx([best, last, best], rel=1e-5)
    assert loss["best"]["none"] == pytest.approx(plain.metrics["test/loss"], rel=1e-5)
    assert loss[None]["none"] == loss["last"]["none"]
    said = gap(table, left_out).notes[1]
    assert said.endswith("for dropout those of the best by val/score, as early stopping gives them.")
    assert "flatters" in " ".join(gap(table, left_out, split="val").notes)
    assert gap(table, left_out).notes[-1].endswith("callbacks.checkpoint.monitor, callbacks.early_stopping.")


def test_what_a_bootstrap_drew_is_what_a_run_was_trained_on(run, tmp_path):
    words = {**SMALL, "data.bootstrap": 3}
    folder = run(words).folder
    (row,) = values(gap(*finished([tmp_path / "runs"], least=1))).values()
    assert row["train_loss_mean"] == pytest.approx(by_hand(words, folder, "last.ckpt", "train")[0], rel=1e-5)
    assert row["loss_gap_std"] is None


def test_runs_of_the_same_weights_in_two_groups_both_count(run, tmp_path):
    for name in ("none", "label_smoothing"):
        run({**SMALL, "regulariser": name, "task.label_smoothing": 0})
    assert len(finished([tmp_path / "runs"], least=1)[0].runs) == 1
    table, left_out = finished([tmp_path / "runs"], alike=True)
    found = values(gap(table, left_out))
    assert found["label_smoothing"]["loss_gap_less_none_difference"] is None  # of one seed nothing can be said
    assert found["label_smoothing"]["loss_gap_mean"] == found["none"]["loss_gap_mean"]


def test_the_groups_come_with_the_smallest_gap_first(run, tmp_path):
    for width in (64, 2, 16):
        run({**SMALL, "model.widths": [width]})
    findings = gap(*finished([tmp_path / "runs"]))
    heading, *rows = findings.values
    gaps = [row[heading.index("loss_gap_mean")] for row in rows]
    assert gaps == sorted(gaps)
    assert set(findings.figures) == {
        "accuracy",
        "gap",
        "held_out",
    }  # none is the plain one, whose course could be drawn


def test_early_stopping_is_marked_on_the_course_that_it_left(run, tmp_path):
    plain, early = (run({**SMALL, **more}) for more in ({}, STOPS))
    other = run({**SMALL, **STOPS, "optim.lr": 0.02})
    assert other.stopped_early
    table, _ = finished([tmp_path / "runs"], alike=True)
    _, losses = curve(plain.folder, "val/loss")
    assert stops(table, [tuple(losses)]) == [
        ((early.best["epoch"] + 1, losses[early.best["epoch"]]), (early.epochs, losses[early.epochs - 1]))
    ]
    (group,) = [each for each in groups(table, ["callbacks.early_stopping.patience"], "val/loss") if each.label == "–"]
    axes = overfitting(table, group).axes[0]
    marks = {tuple(line.get_xdata()) for line in axes.lines if line.get_marker() in ("o", "X")}
    assert marks == {(early.best["epoch"] + 1,), (early.epochs,)}
    (plain.folder / "metrics.csv").unlink()
    assert overfitting(table, group) is None


def test_what_has_no_gap_is_refused_with_the_reason(run, tmp_path):
    plain = run(SMALL)
    table, left_out = finished([tmp_path / "runs"], least=1)
    with pytest.raises(ConfigError, match="--against nobody is not a group; choose from all runs"):
        gap(table, left_out, against="nobody")
    with pytest.raises(ConfigError, match=r"did you mean model\.widths"):
        gap(table, left_out, by=["model.width"])
    run({**SMALL, "data.split_seed": 1})
    with pytest.raises(InputError, match=r"predicts other examples than .*: data\.split_seed=. against .\n"):
        gap(*finished([tmp_path / "runs"]))
    result = plain.folder / "result.json"
    stopped = {"status": "preempted", "error": "stopped", "metrics": {}, "weights_sha256": None}
    result.write_text(json.dumps({**json.loads(result.read_text()), **stopped}))
    _, left_out = finished([tmp_path / "runs"], least=1)
    assert left_out == [f"{plain.folder} is preempted: stopped"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**SMALL, "data.val_fraction": 0.0}, "has no val set"),
        ({"data": "exam_scores", "task": "regression", "model": "linear", "trainer.max_epochs": 1}, "predicts numbers"),
    ],
    ids=["no validation set", "regression"],
)
def test_runs_that_cannot_have_one_are_refused(run, tmp_path, settings, message):
    run({**settings, "monitor.metric": "train/loss"})
    with pytest.raises(InputError, match=message):
        gap(*finished([tmp_path / "runs"], least=1), split="val")


def test_the_command_writes_a_table_and_figures(run, command, tmp_path):
    for name, more in (("none", {}), ("early_stopping", {"callbacks.early_stopping.patience": 1})):
        for seed in range(2):
            run({**SMALL, "regulariser": name, "seed": seed, **more})
    done = command("scripts/gap.py", "runs", "nowhere", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "left out: there is no run folder nowhere" in done.stderr
    assert done.stdout.splitlines()[-1] == "out/gap.md"
    names = {"gap.md", "gap.csv"}
    names |= {f"{name}.{kind}" for name in ("accuracy", "gap", "held_out", "overfitting") for kind in ("png", "svg")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    with (tmp_path / "out" / "gap.csv").open() as stream:
        assert {row["regulariser.name"]: row["n"] for row in csv.DictReader(stream)} == {
            "none": "2",
            "early_stopping": "2",
        }
