"""`encore evaluate --full` of models that predict numbers, labels or pixels."""

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import f1_score, jaccard_score, mean_absolute_error, r2_score, root_mean_squared_error

import encore
from encore.commands import evaluate

SHORT = {
    "logger": "none",
    "trainer.max_epochs": 2,
    "trainer.accelerator": "cpu",
    "threads": 1,
    "callbacks.progress": None,
}
RNG = np.random.default_rng(0)


@pytest.fixture
def full(typed, tmp_path):
    def go(folder):
        code, said, complained = typed(evaluate.main, folder, "--full", "--out", tmp_path / "out")
        assert (code, complained) == (0, "")
        model = encore.load(folder)
        found = model.predictions(model.data.opened_test(), model.data.test_indices)
        files = {file.name for file in (tmp_path / "out").iterdir()}
        return said, json.loads((tmp_path / "out" / "metrics.json").read_text()), found, files

    return go


def rows(file):
    return list(csv.DictReader(file.read_text().splitlines()))


def arrays(tmp_path, x, y, **settings):
    np.savez(tmp_path / "some.npz", x=x, y=y)
    return {
        **SHORT, "data": "npz", "data.path": str(tmp_path / "some.npz"), "data.shape": [5], "data.batch_size": 16,
        "data.num_classes": None, "data.test_fraction": 0.3, "model": "linear", **settings,
    }  # fmt: skip


@pytest.mark.parametrize("targets", [1, 2])
def test_numbers(full, run, tmp_path, targets):
    x = RNG.normal(size=(90, 5)).astype(np.float32)
    y = (x[:, :targets] * 3 + 10).astype(np.float32)
    settings = {"task": "regression", "data.normalize_targets": "standardize", "+data.num_targets": targets}
    result = run(arrays(tmp_path, x, y, **settings))
    said, metrics, found, files = full(result.folder)
    truth = encore.load(result.folder).data
    truth = y[truth.test_indices.numpy()]
    assert metrics["R²"] == pytest.approx(r2_score(truth, found.values), abs=1e-5)
    assert metrics["MAE"] == pytest.approx(mean_absolute_error(truth, found.values), rel=1e-5)
    assert metrics["RMSE"] == pytest.approx(np.sqrt(np.mean((truth - found.values) ** 2)), rel=1e-5)
    assert metrics["largest error"] == pytest.approx(np.abs(truth - found.values).max(), rel=1e-5)
    assert files == {"metrics.json", "residuals.csv", "residuals.png"}
    held = rows(tmp_path / "out" / "residuals.csv")
    name = "value" if targets == 1 else "value 2"
    assert [float(row[f"true {name}"]) for row in held] == pytest.approx(truth[:, -1].tolist())
    assert ("value 2" in said) == (targets == 2)
    by_column = re.search(r"^value 2 +\S+ +\S+ +(\S+)", said, re.MULTILINE)
    if by_column:
        expected = root_mean_squared_error(truth[:, 1], found.values[:, 1])
        assert float(by_column[1]) == pytest.approx(expected, rel=1e-3)
    worst = re.search(r"^largest errors: example.*\n(\d+)", said, re.MULTILINE)
    assert worst
    apart = np.sqrt(((truth - found.values) ** 2).mean(1))
    assert int(held[int(apart.argmax())]["example"]) == int(worst[1])


def test_labels(full, run, tmp_path):
    x = RNG.normal(size=(90, 5)).astype(np.float32)
    y = (x[:, :3] > 0).astype(np.float32)
    result = run(arrays(tmp_path, x, y, task="multilabel", **{"task.num_outputs": 3}))
    _, metrics, found, files = full(result.folder)
    truth = y[encore.load(result.folder).data.test_indices.numpy()]
    assert metrics["macro F1"] == pytest.approx(f1_score(truth, found.values, average="macro"), abs=1e-6)
    assert metrics["all labels right"] == pytest.approx((truth == found.values).all(1).mean())
    assert files == {"metrics.json", "labels.csv"}
    assert [int(row["examples"]) for row in rows(tmp_path / "out" / "labels.csv")] == truth.sum(0).tolist()


def test_pixels(full, run, tmp_path, monkeypatch):
    (tmp_path / "configs" / "model").mkdir(parents=True)
    recipe = "name: pixelwise\n_target_: torch.nn.Conv2d\nin_channels: 1\nout_channels: 2\nkernel_size: 1\n"
    (tmp_path / "configs" / "model" / "pixelwise.yaml").write_text(recipe)
    monkeypatch.setenv("ENCORE_CONFIGS", str(tmp_path / "configs"))
    for number in range(30):
        pixels = RNG.integers(0, 256, (6, 6), np.uint8)
        for kind, array in {"photos": pixels, "masks": (pixels > 128).astype(np.uint8)}.items():
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / kind / f"{number}.png")
    result = run(
        {
            **SHORT, "data": "masks", "data.pictures.folder": str(tmp_path / "photos"), "data.batch_size": 8,
            "data.masks.folder": str(tmp_path / "masks"), "data.shape": [1, 6, 6], "data.num_classes": 2,
            "data.classes": ["dark", "bright"], "task": "segmentation", "model": "pixelwise",
            "optim.lr": 0.1,
        }
    )  # fmt: skip
    said, metrics, found, files = full(result.folder)
    model = encore.load(result.folder)
    truth = model.data.opened_test().targets[model.data.test_indices].numpy().ravel()
    assert metrics["mean IoU"] == pytest.approx(jaccard_score(truth, found.values.ravel(), average="macro"), abs=1e-6)
    assert metrics["mean IoU"] == pytest.approx(metrics["iou"], abs=1e-6)
    assert metrics["pixel accuracy"] == pytest.approx((truth == found.values.ravel()).mean(), abs=1e-6)
    assert {"classes.csv", "confusion.csv", "confusion.png"} <= files
    assert re.search(r"^bright +\d+ ", said, re.MULTILINE)


def test_what_has_no_scores(typed, run, tmp_path):
    result = run({**SHORT, "data": "thumbtack", "task": "likelihood", "model": "proportion", "data.batch_size": 1})
    code, _, complained = typed(evaluate.main, result.folder, "--full", "--split", "train")
    assert (code, "predicts a distribution's parameters" in complained) == (3, True)
