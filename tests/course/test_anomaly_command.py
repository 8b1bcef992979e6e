"""The table of methods, its threshold and its pictures, and runs that it refuses."""

import csv
import functools

import numpy as np
import pytest

from course.anomaly.command import main
from course.anomaly.scores import judged

QUICK = {
    "data.batch_size": 8,
    "data.sha256": None,
    "data.contrast": False,
    "trainer.max_epochs": 1,
    "data.val_fraction": 0.4,
}


@pytest.fixture
def go(typed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return functools.partial(typed, main, "runs")


def test_a_threshold_is_a_quantile_of_normal_scores():
    val, test = np.arange(101.0), np.array([50.0, 96.0, 94.0, 200.0])
    found = judged(val, test, np.array([False, False, True, True]), 0.95)
    assert (found.threshold, found.false_alarms, found.detected) == (95, 0.5, 0.5)
    assert found.auroc == 0.75


@pytest.mark.slow
def test_methods_stand_side_by_side_with_baselines_and_pictures(run, go, mnist_files, tmp_path):
    place = {"data_dir": str(mnist_files("MNIST")), **QUICK}
    recorded = {}
    for name, normal, seed in (("svdd", 2, 0), ("svdd", 2, 1), ("svdd", 9, 0), ("autoencoder", 9, 0)):
        words = {"experiment": f"anomaly_{name}", "data.normal": normal, "seed": seed, **place}
        recorded[normal, f"anomaly_{name}", seed] = run(words).metrics["test/auroc"]
    code, said, _ = go("--quantile", "0.5", "--show", "9", "--out", "found")
    assert code == 0
    with (tmp_path / "found" / "anomaly.csv").open() as stream:
        rows = {(int(row["normal"]), row["method"]): row for row in csv.DictReader(stream)}
    of = [recorded[2, "anomaly_svdd", seed] for seed in range(2)]
    assert float(rows[2, "anomaly_svdd"]["auroc_mean"]) == pytest.approx(sum(of) / 2, abs=1e-6)
    assert float(rows[2, "anomaly_svdd"]["auroc_std"]) == pytest.approx(np.std(of, ddof=1), abs=1e-6)
    for name in ("anomaly_autoencoder", "anomaly_svdd"):
        assert float(rows[9, name]["auroc_mean"]) == pytest.approx(recorded[9, name, 0], abs=1e-6)
    assert {method for _, method in rows} == {
        "anomaly_autoencoder", "anomaly_svdd", "one-class SVM", "isolation forest", "kernel density",
    }  # fmt: skip
    assert (rows[2, "isolation forest"]["n"], rows[2, "one-class SVM"]["n"]) == ("2", "1")
    assert float(rows[9, "kernel density"]["auroc_mean"]) > 0.9  # brightness tells them apart
    assert rows[2, "anomaly_svdd"]["published_deep_svdd"] == "0.917"
    assert {file.name for file in (tmp_path / "found").glob("*.png")} == {
        "scores.png", "extremes.png", "reconstructions.png",
    }  # fmt: skip
    assert "one_class_mnist  mean" in said
    for words, code, message in (
        (["--show", "5"], 1, "--show 5: no run has that normal class"),
        (["--quantile", "1"], 1, "--quantile 1.0: must be between 0 and 1"),
        (["--by", "model.nam"], 1, "did you mean model.name"),
    ):
        ended, _, complained = go(*words, "--out", "refused")
        assert ended == code
        assert message in complained
        assert not (tmp_path / "refused").exists()


def test_other_runs_are_refused(run, go, tmp_path):
    run({"debug": "fast"})
    ended, _, complained = go("--out", "refused")
    assert ended == 3
    assert "none of these is a run of task=one_class" in complained
    assert not (tmp_path / "refused").exists()


def test_a_run_without_validation_pictures_has_no_threshold(run, go, mnist_files):
    place = {"data_dir": str(mnist_files("MNIST")), **QUICK, "data.val_fraction": 0.0}
    run({"experiment": "anomaly_svdd", **place})
    ended, _, complained = go()
    assert ended == 3
    assert "has no validation pictures to choose a threshold by" in complained
