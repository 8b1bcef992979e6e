"""Views show what TensorBoard is asked, and change no bit of a run."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from endings import asked_to_stop
from foreign import Lines
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torchmetrics.functional.classification import multiclass_calibration_error

from encore.callbacks.views import calibration, confusion, drawing, embeddings, updates
from encore.callbacks.views.predictions import Predictions
from encore.config.compose import config_from
from encore.config.defaults import VIEW_NAMES
from encore.errors import Preempted
from encore.loggers.tensorboard import TensorBoard
from encore.provenance.fingerprint import fingerprint, lineage

WITHOUT = {f"callbacks.{name}": None for name in VIEW_NAMES}
# 104 steps, in epochs of 26: long enough for everything to be shown.
LONG = {"data.batch_size": 16, "data.fraction": 0.33, "trainer.max_epochs": 4, "callbacks.progress": None}
PICTURES = {
    "mistakes/confusion", "mistakes/most_confidently_wrong", "mistakes/least_certain", "mistakes/reliability",
    "net/first_layer",
}  # fmt: skip


def shown(folder: Path) -> Any:
    """What TensorBoard reads of a run."""
    return EventAccumulator(str(folder), size_guidance=dict.fromkeys(("images", "histograms", "tensors"), 0)).Reload()


def of_views(folder: Path) -> list[tuple[str, int, Any]]:
    """Everything that a view shows but for speeds: its name, its step and what it is."""
    held = shown(folder)
    tags = held.Tags()
    return [
        *((tag, one.step, one.encoded_image_string) for tag in tags["images"] for one in held.Images(tag)),
        *((tag, one.step, str(one.histogram_value)) for tag in tags["histograms"] for one in held.Histograms(tag)),
        *((tag, one.step, str(one.tensor_proto)) for tag in tags["tensors"] for one in held.Tensors(tag)
          if "config" not in tag),
    ]  # fmt: skip


def test_the_default_config_names_every_view():
    assert {name for name, recipe in config_from({})["callbacks"].items() if ".views." in recipe["_target_"]} == (
        VIEW_NAMES
    )


def test_views_are_no_part_of_a_runs_fingerprint_and_callbacks_of_ones_own_are_under_any_name():
    cfg, bare, none = config_from({}), config_from(WITHOUT), config_from({})
    none["callbacks"] = {name: recipe for name, recipe in cfg["callbacks"].items() if name not in VIEW_NAMES}
    assert fingerprint(cfg) == fingerprint(bare) == fingerprint(none)
    assert lineage(cfg) == lineage(none) is not None
    mine = {"_target_": "pytorch_lightning.callbacks.EarlyStopping", "monitor": "val/loss"}
    assert fingerprint({**cfg, "callbacks": {**cfg["callbacks"], "gap": mine}}) != fingerprint(cfg)
    other_name = {"_target_": "encore.callbacks.views.gap.Gap"}
    assert fingerprint({**cfg, "callbacks": {**cfg["callbacks"], "other": other_name}}) == fingerprint(cfg)


def test_a_run_has_the_same_bits_with_views_and_without(run, tmp_path):
    settings = {**LONG, "augment": ["noise"], "model.dropout": 0.2, "scheduler": "one_cycle"}
    seen = run({**settings, "runs_dir": str(tmp_path / "seen")})
    unseen = run({**settings, **WITHOUT, "runs_dir": str(tmp_path / "unseen")})
    assert (seen.fingerprint, seen.weights_sha256, seen.losses_sha256, seen.metrics) == (
        unseen.fingerprint, unseen.weights_sha256, unseen.losses_sha256, unseen.metrics,
    )  # fmt: skip
    tags = shown(seen.folder).Tags()
    assert set(tags["images"]) == {*PICTURES, "train/augmentation"}
    assert {tag.split("/")[1] for tag in tags["histograms"]} == {"weights", "gradients", "activations"}
    assert {f"precision_recall/{digit}" for digit in range(10)} <= set(tags["tensors"])
    assert {"gap/loss", "gap/accuracy", "updates/layers.0", "test/ece"} <= set(tags["scalars"])
    assert min(tags["scalars"]) == "gap/accuracy"
    assert (seen.folder / "projector_config.pbtxt").exists()
    assert not shown(unseen.folder).Tags()["images"]
    with (seen.folder / "metrics.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["gap/loss"]]
    assert len(rows) == 4
    for row in rows:
        assert float(row["gap/loss"]) == pytest.approx(float(row["val/loss"]) - float(row["train/loss"]))


def test_a_run_that_is_stopped_shows_everything_once(run, tmp_path, monkeypatch):
    settings = {**LONG, "callbacks.checkpoint.min_seconds_between": 0.0, "augment": ["noise"]}
    whole = run({**settings, "runs_dir": str(tmp_path / "whole")})
    with asked_to_stop(monkeypatch, 3, 40, 60):
        for _ in range(4):
            try:
                result = run(settings)
                break
            except Preempted:
                pass
    monkeypatch.undo()
    assert of_views(result.folder) == of_views(whole.folder)
    ends = [(folder / "projector" / "points.tsv").read_text() for folder in (result.folder, whole.folder)]
    assert ends[0] == ends[1]


def test_a_short_run_has_numbers_alone(run):
    tags = shown(run({**LONG, "trainer.max_epochs": 1}).folder).Tags()
    assert (tags["images"], tags["histograms"]) == ([], [])
    assert {"gap/loss", "updates/layers.0"} <= set(tags["scalars"])


def test_early_stopping_would_stop_at_one_epoch(run):
    result = run({**LONG, "optim.lr": 0.03, "trainer.max_epochs": 8, "callbacks.gap.patience": 1, "data.fraction": 0.1})
    held = shown(result.folder)
    losses = [point.value for point in held.Scalars("val/loss")]
    first = next(epoch for epoch in range(1, 8) if losses[epoch] >= min(losses[:epoch]))
    (point,) = held.Scalars("gap/would_stop")
    assert (point.step, point.value) == (held.Scalars("val/loss")[first].step, pytest.approx(losses[first]))


@pytest.mark.parametrize(
    "settings",
    [
        {"data": "thermometer", "model": "line", "task": "regression", "data.batch_size": 4, "trainer.max_epochs": 50},
        {"experiment": "thumbtack", "trainer.max_epochs": 120},
        {"task": "autoencoder", **LONG},
        {"test": False, **LONG},
        {"+trainer.val_check_interval": 0.5, "+trainer.check_val_every_n_epoch": 2, **LONG},
        {"trainer.precision": "bf16-mixed", "+trainer.limit_test_batches": 1, "data.eval_batch_size": 5, **LONG},
        {"callbacks.checkpoint": None, "model": "cnn", "data.num_classes": 1000, "trainer.accumulate_grad_batches": 2,
         **LONG, "trainer.max_epochs": 8},
    ],
    ids=["table", "likelihood", "autoencoder", "no test", "seldom validated", "half precision", "1,000 classes"],
)  # fmt: skip
@pytest.mark.slow
def test_other_runs_show_what_makes_sense(run, settings):
    result = run({"callbacks.progress": None, **settings})
    assert result.status == "finished"
    tags = shown(result.folder).Tags()
    classes = set(settings) >= set(LONG) and "test" not in settings and "task" not in settings
    assert ("mistakes/confusion" in tags["images"]) == classes


def predicted(names: int) -> Predictions:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(60, names, generator=generator).softmax(1)
    truth = torch.randint(names, (60,), generator=generator)
    return Predictions(
        truth, probabilities.argmax(1), probabilities, None, [f"a long name {n}" for n in range(names)], True
    )


@pytest.mark.parametrize("names", [1, 2, 3, 1000])
def test_any_number_of_classes_has_a_matrix_and_a_table(names):
    counts = confusion.confusion(found := predicted(names))
    assert counts.sum() == 60
    for one in range(0, 60, 7):
        assert counts[found.truth[one], found.predicted[one]] > 0
    picture = confusion.drawn(counts, found.names)
    assert picture.dtype == np.uint8
    assert max(picture.shape) < 1100
    assert len(confusion.table(counts, found.names).splitlines()) - 2 == min(30, len(found.truth.unique()))


def test_the_calibration_error_is_that_of_its_definition():
    sure, right = np.array([0.95, 0.95, 0.55, 1.0]), np.array([True, False, True, True])
    counts, confidence, accuracy = calibration.binned(sure, right)
    assert (counts.sum(), counts[14], counts[8]) == (4, 3, 1)
    error = calibration.expected_error(counts, confidence, accuracy)
    assert error == pytest.approx((3 * abs(2.9 / 3 - 2 / 3) + abs(0.55 - 1)) / 4)


def test_the_calibration_error_is_that_of_evaluate():
    generator = torch.Generator().manual_seed(0)
    probable = torch.randn(500, 4, generator=generator, dtype=torch.float64).softmax(1)
    truth = torch.randint(4, (500,), generator=generator)
    sure, predicted = probable.max(1)
    bins = calibration.binned(sure.numpy(), (predicted == truth).numpy())
    expected = multiclass_calibration_error(probable, truth, num_classes=4, n_bins=calibration.BINS)
    assert calibration.expected_error(*bins) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("shape", [(2, 1, 3, 3), (2, 3, 500, 20), (1, 3, 1, 1), (2, 4, 8, 8)])
def test_pictures_of_any_size_are_drawn(shape):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    values[0, 0, 0, 0] = np.nan
    picture = drawing.tiles(
        drawing.sized(drawing.as_bytes(values), 40), 8, "a title", [[("네 ✓ label", (0, 0, 0))]] * 2
    )
    assert picture.ndim == 3
    assert max(picture.shape) < 200


def test_principal_components_keep_distances():
    points = np.random.default_rng(0).normal(size=(20, 100))
    found = embeddings.principal(points)
    assert found.shape[1] <= embeddings.MOST
    assert np.linalg.norm(found[0] - found[1]) == pytest.approx(np.linalg.norm(points[0] - points[1]), rel=1e-6)


@pytest.mark.parametrize(
    ("losses", "ratios", "said"),
    [
        (np.linspace(2, 4, 200), [1e-3], "the training loss grew from 2.095 to 3.905: try a smaller optim.lr"),
        (np.full(200, 2.3), [1e-3], "the training loss did not move"),
        (np.linspace(2, 1, 200), [1e-6, 1e-5], "a step changed the weights by 1e-05 of their size at most"),
        (np.linspace(2, 1, 200), [0.2, 0.3], "a step changed the weights by 0.2 of their size"),
        (np.linspace(2, 1, 200), [1e-3, 1e-9], None),
        (np.linspace(2, 1, 200), [], None),
        (np.empty(0), [], None),
    ],
)
def test_one_sentence_says_what_to_try(losses, ratios, said):
    sentence = updates.advice(losses.astype(np.float32), ratios)
    assert sentence is None if said is None else sentence.startswith(said)


def test_the_sentence_is_in_the_terminal(run, capsys):
    run({**LONG, "optim": "sgd", "optim.lr": 1e-9})
    assert "the training loss did not move" in capsys.readouterr().out


class Pictures(Lines):
    """A logger of one's own that shows pictures."""

    def show_image(self, tag: str, picture: np.ndarray, step: int) -> None:
        self.write(tag=tag, shape=list(picture.shape), step=step)


def test_other_loggers_get_the_pictures_and_numbers(run, tmp_path, monkeypatch):
    monkeypatch.setattr("foreign.Pictures", Pictures, raising=False)
    file = tmp_path / "lines"
    lightning = {"_target_": "pytorch_lightning.loggers.TensorBoardLogger"}
    result = run({**LONG, "logger": "csv", "+logger.mine": {"_target_": "foreign.Pictures", "file": str(file)},
                  "+logger.lightning": lightning})  # fmt: skip
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(line["tag"] for line in lines if "tag" in line) == sorted(PICTURES)
    assert any("speed/memory_mib" in line.get("metrics", {}) for line in lines)
    (folder,) = {events.parent for events in (result.folder / "lightning_logs").rglob("events.out.*")}
    assert set(shown(folder).Tags()["images"]) == PICTURES


def test_names_of_classes_stand_in_the_table(run):
    names = [f"digit {number}" for number in range(10)]
    held = shown(run({**LONG, "+data.classes": names}).folder)
    table = held.Tensors("test/accuracy_by_class/text_summary")[0].tensor_proto.string_val[0].decode()
    assert {line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]} == set(names)


def test_a_view_leaves_the_task_and_the_optimiser_as_they_were(run, monkeypatch):
    left = []

    def look(self, trainer, task):
        left.append(("forward" in vars(task), [hook for module in task.modules() for hook in module._forward_hooks]))
        left.append(("step" in vars(trainer.optimizers[0]), []))

    monkeypatch.setattr(pl.callbacks.Timer, "on_train_epoch_end", look, raising=False)
    run({**LONG, "augment": ["noise"], "+callbacks.look": {"_target_": "pytorch_lightning.callbacks.Timer"}})
    assert left
    assert all(each == (False, []) for each in left)


def test_tensorboard_shows_everything(tmp_path):
    """Each method of the contract, whatever is in it."""
    logger = TensorBoard()
    logger.start(tmp_path)
    logger.show_image("a", np.zeros((2, 3, 3), np.uint8), 1)
    logger.show_histogram("b", np.zeros(1), 1)
    logger.show_precision_recall("c", np.zeros(4, bool), np.ones(4), 1)
    logger.show_points("d", np.zeros((5, 2)), [("class",), *[("a\tb",)] * 5], np.zeros((5, 4, 3, 3), np.uint8))
    logger.close()
    tags = shown(tmp_path).Tags()
    assert (tags["images"], tags["histograms"], tags["tensors"]) == (["a"], ["b"], ["c"])
    assert (tmp_path / "projector" / "labels.tsv").read_text().splitlines() == ["class", *["a b"] * 5]
