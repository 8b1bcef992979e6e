"""`encore evaluate` with its options: on a split, on another dataset, with more scores and their files."""

import csv
import json

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, precision_score, top_k_accuracy_score

import encore
from encore.commands import evaluate


@pytest.fixture
def digits(run):
    return run({"trainer.max_epochs": 2, "logger": "none"})


def test_a_split_of_its_own(typed, digits):
    code, said, _ = typed(evaluate.main, digits.folder, "--split", "test")
    assert code == 0
    assert "on the test set of digits: 360 examples" in said
    for name in ("loss", "accuracy"):
        assert f"{name:8}  {digits.metrics[f'test/{name}']:.4f}" in said
    assert "the val set of digits: 179" in typed(evaluate.main, digits.folder, "--split", "val")[1]


def test_every_score_is_what_scikit_learn_gives(typed, digits, tmp_path):
    out = tmp_path / "quality"
    code, said, _ = typed(evaluate.main, digits.folder, "--full", "--robustness", "--out", out)
    assert code == 0
    found = json.loads((out / "metrics.json").read_text())
    model = encore.load(digits.folder)
    source, indices = model.data.opened_test(), model.data.test_indices
    predicted, targets = model.predictions(source, indices), source.targets[indices].numpy()
    assert found["macro F1"] == pytest.approx(f1_score(targets, predicted.values, average="macro"), abs=1e-6)
    assert found["NLL"] == pytest.approx(log_loss(targets, predicted.probabilities), abs=1e-6)
    expected = top_k_accuracy_score(targets, predicted.probabilities, k=5)
    assert found["top-5 accuracy"] == pytest.approx(expected, abs=1e-6)
    rows = list(csv.DictReader((out / "classes.csv").read_text().splitlines()))
    precision = precision_score(targets, predicted.values, average=None)
    assert [float(row["precision"]) for row in rows] == pytest.approx(precision, abs=1e-6)
    confusion = [
        list(map(int, row[1:])) for row in list(csv.reader((out / "confusion.csv").read_text().splitlines()))[1:]
    ]
    assert np.sum(confusion) == len(targets)
    assert np.trace(confusion) / len(targets) == pytest.approx(digits.metrics["test/accuracy"])
    curves = {
        row[0]: list(map(float, row[1:]))
        for row in list(csv.reader((out / "robustness.csv").read_text().splitlines()))[1:]
    }
    assert set(curves) == {"noise", "blur", "rotation", "contrast"}
    assert all(line[0] == pytest.approx(digits.metrics["test/accuracy"]) for line in curves.values())
    assert curves["rotation"][5] < curves["rotation"][0]
    for name in ("confusion.png", "robustness.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
        assert str(out) in said


@pytest.mark.slow
def test_another_dataset_of_the_same_shape(typed, run, tmp_path):
    random = np.random.default_rng(0)
    for name, kind in (("own", np.uint8), ("other", np.uint8), ("floats", np.float32)):
        x = random.integers(0, 256, (60, 5)).astype(kind)
        np.savez(tmp_path / f"{name}.npz", x=x, y=(x[:, 0] > 127).astype(np.int64))
    settings = {"data": "npz", "data.shape": [5], "data.num_classes": 2, "data.batch_size": 8}
    found = run(
        {**settings, "data.path": str(tmp_path / "own.npz"), "data.classes": ["low", "high"], "logger": "none",
         "trainer.max_epochs": 20, "optim.lr": 0.02, "model": "softmax"}
    )  # fmt: skip

    def on(name, *words, split=None):
        other = ["npz", f"data.path={tmp_path / name}.npz", "data.shape=[5]", "data.num_classes=2", *words]
        return typed(evaluate.main, found.folder, "--data", *other, *(["--split", split] if split else []))

    code, said, _ = on("other")
    assert code == 0
    accuracy = float(said.splitlines()[2].split()[1])
    assert accuracy > 0.7
    assert "on all of npz: 60 examples" in said
    assert on("other", "data.keep={0: 0.5}", "data.sampling=balanced") == (code, said, "")
    assert "the test set of npz: 12 examples" in on("other", split="test")[1]
    code, said, _ = on("other", "data.classes=[high,low]")  # who numbers them the other way round
    assert float(said.splitlines()[2].split()[1]) == pytest.approx(1 - accuracy, abs=1e-3)
    code, _, complained = on("floats")
    assert code == 3
    assert "[5] of float32, and the model reads [5] of uint8" in complained
    assert "lacks: up" in on("other", "data.classes=[up,low]")[2]
    assert on("nothing")[0] == 3
    assert typed(evaluate.main, found.folder, "--data", "nonsense")[0] == 1
    code, _, complained = on("other", "optim.lr=3")
    assert code == 1
    assert "optim.lr=3: this is no setting of data" in complained
    code, _, complained = typed(evaluate.main, found.folder, "--robustness", "--out", tmp_path / "robust")
    assert code == 3
    assert "reads no pictures" in complained
    assert not (tmp_path / "robust").exists()


def test_options_that_do_not_go_together(typed, tmp_path):
    for words, message in ((["--out", "x"], "--out is for"), (["--fetch", "--full"], "--fetch is for")):
        code, _, complained = typed(evaluate.main, tmp_path, *words)
        assert code == 1
        assert message in complained
