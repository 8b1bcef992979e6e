"""What our tasks take: several inputs, targets of any shape or none, nets from elsewhere, any metric."""

import csv

import pytest
from endings import asked_to_stop

from encore.errors import ConfigError, Preempted

DATA = {"data": "lightning", "data._target_": "own_parts.Examples", "trainer.max_epochs": 2}
METRICS = "torchmetrics.classification"


def table(folder, name):
    with (folder / "tables" / f"{name}.csv").open() as stream:
        return [[float(cell) for cell in row] for row in csv.reader(stream)]


def test_inputs_by_name_and_outputs_with_logits(run):
    settings = {
        **DATA, "+data.kind": "two", "+data.num_classes": 3, "model": "none", "+model._target_": "own_parts.TwoInputs",
    }  # fmt: skip
    assert run(settings).weights_sha256 == run({**settings, "fresh": True}).weights_sha256


def test_several_labels_an_example(run):
    settings = {**DATA, "+data.kind": "labels", "+data.num_labels": 3, "task": "multilabel", "model": "softmax"}
    result = run({**settings, "model.num_outputs": 3, "+data.shape": [6], "trainer.max_epochs": 5, "optim.lr": 0.1})
    assert result.metrics["test/f1"] > 0.9


def test_a_class_for_each_pixel(run):
    settings = {**DATA, "+data.kind": "masks", "+data.num_classes": 2, "task": "segmentation", "model": "none"}
    result = run({**settings, "+model._target_": "own_parts.Pixels", "trainer.max_epochs": 20, "optim.lr": 0.1})
    assert result.metrics["test/iou"] > 0.9


def test_the_input_is_the_target(run):
    result = run({"task": "autoencoder", "trainer.max_epochs": 3})
    assert result.metrics["train/loss"] < 0.9
    assert "test/loss" in result.metrics


def test_a_metric_that_is_no_number_becomes_a_table_and_a_picture(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    matrix = {"_target_": f"{METRICS}.MulticlassConfusionMatrix", "num_classes": 10}
    top = {"_target_": f"{METRICS}.MulticlassAccuracy", "num_classes": 10, "top_k": 3}
    f1 = {"_target_": f"{METRICS}.MulticlassF1Score", "num_classes": 10, "average": "macro"}
    result = run({"+task.metrics.confusion": matrix, "+task.metrics.top3": top, "+task.metrics.f1": f1,
                  "trainer.max_epochs": 2})  # fmt: skip
    assert result.metrics["test/top3"] > result.metrics["test/accuracy"]
    assert {"val/f1", "test/f1"} <= result.metrics.keys()
    assert not any("confusion" in name for name in result.metrics)
    found = table(result.folder, "test-confusion")
    assert len(found) == len(found[0]) == 10
    assert sum(map(sum, found)) == 360
    assert {path.name for path in (result.folder / "tables").iterdir()} == {
        "train-confusion.csv", "val-confusion.csv", "test-confusion.csv"
    }  # fmt: skip
    held = EventAccumulator(str(result.folder), size_guidance={"images": 0}).Reload()
    assert set(held.Tags()["images"]) == {"train/confusion", "val/confusion", "test/confusion"}


@pytest.mark.slow
def test_what_metrics_have_listed_survives_a_stop(run, tmp_path, monkeypatch):
    auroc = {"_target_": f"{METRICS}.MulticlassAUROC", "num_classes": 10}
    curve = {"_target_": f"{METRICS}.MulticlassConfusionMatrix", "num_classes": 10}
    settings = {"+task.metrics.auroc": auroc, "+task.metrics.confusion": curve, "trainer.max_epochs": 2,
                "data.fraction": 0.3, "data.batch_size": 16}  # fmt: skip
    whole = run({**settings, "runs_dir": str(tmp_path / "whole")})
    monkeypatch.setattr("encore.tasks.tally.Tally.batches", 3)
    other = run({**settings, "runs_dir": str(tmp_path / "counted"), "fresh": True})
    assert other.metrics["train/auroc"] == pytest.approx(whole.metrics["train/auroc"])
    with asked_to_stop(monkeypatch, 7, 30), pytest.raises(Preempted):
        run(settings)
    resumed = run(settings)
    assert resumed.metrics == other.metrics
    assert table(resumed.folder, "train-confusion") == table(other.folder, "train-confusion")


def test_a_metric_that_does_not_fit_is_said_before_the_first_step(run):
    with pytest.raises(ConfigError, match=r"task\.metrics"):
        run({"+task.metrics.f1": {"_target_": f"{METRICS}.MulticlassF1Score"}})


def test_torchvision_s_models_from_yaml_alone(run):
    data = {**DATA, "+data.kind": "rgb", "+data.num_classes": 3}
    net = {"model": "none", "+model._target_": "torchvision.models.shufflenet_v2_x0_5", "+model.num_classes": 3}
    result = run({**data, **net})
    assert "optim    adam" in (result.folder / "train.log").read_text()
    with pytest.raises(ConfigError, match=r"do not fit together.*3 channels"):  # digits are grey
        run({**net, "+model.num_classes": 10})
