"""Accuracy as test pictures move: against what one computes by hand, and bad input."""

import csv
import functools

import pytest
import torch

from course.shift.command import main
from course.shift.curve import accuracies, moved
from encore.config.build import build
from encore.config.compose import config_from
from encore.data.module import DataModule

SMALL = {"data.test_fraction": 0.5, "data.fraction": 0.3, "trainer.max_epochs": 2, "optim.lr": 0.01, "logger": "csv"}


def test_a_picture_moves_down_and_to_the_right_and_its_edge_comes_in():
    picture = torch.arange(12.0).view(1, 1, 3, 4)
    assert moved(picture, 1, 0)[0, 0].tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]]
    assert moved(picture, 0, -2)[0, 0].tolist() == [[2, 3, 3, 3], [6, 7, 7, 7], [10, 11, 11, 11]]
    assert torch.equal(moved(picture, 0, 0), picture)


def by_hand(settings, folder, pixels, every=1):
    cfg = config_from(settings)
    data = DataModule(cfg["data"], "", 0)
    data.setup()
    net = build(cfg["model"], what="model")
    weights = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    net.load_state_dict({name.removeprefix("net."): w for name, w in weights.items() if name.startswith("net.")})
    inputs = data.normalize(data.source.read(data.split.test[::every].tolist()))
    targets = data.source.targets[data.split.test[::every]]
    padded = torch.nn.functional.pad(inputs, [2] * 4, mode="replicate")
    found = []
    for down, right in ((0, pixels), (0, -pixels), (pixels, 0), (-pixels, 0)):
        window = padded[:, :, 2 - down : 10 - down, 2 - right : 10 - right]
        with torch.no_grad():
            found.append(float((net.eval()(window).argmax(1) == targets).double().mean()))
    return sum(found) / 4


@pytest.fixture
def go(typed, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return functools.partial(typed, main, "runs")


@pytest.mark.slow
def test_the_command_groups_runs_over_seeds_and_agrees_with_a_loop_by_hand(run, go, tmp_path):
    runs = {}
    for widths, seed in (([32], 0), ([32], 1), ([16], 0)):
        words = {**SMALL, "model.widths": widths, "seed": seed}
        runs[str(widths), seed] = (words, run(words))
    assert go("--most", "2", "--out", "found")[0] == 0
    assert (tmp_path / "found" / "shift.png").is_file()
    with (tmp_path / "found" / "shift.csv").open() as stream:
        rows = {(row["model.widths"], int(row["pixels"])): row for row in csv.DictReader(stream)}
    for name, seeds in (("[32]", range(2)), ("[16]", range(1))):
        of = [runs[name, seed] for seed in seeds]
        recorded = [one.metrics["test/accuracy"] for _, one in of]
        assert rows[name, 0]["n"] == str(len(of))
        assert float(rows[name, 0]["mean"]) == pytest.approx(sum(recorded) / len(of), abs=1e-6)
        for pixels in (1, 2):
            expected = [by_hand(words, one.folder, pixels) for words, one in of]
            assert float(rows[name, pixels]["mean"]) == pytest.approx(sum(expected) / len(of), abs=1e-6)
    words, one = runs["[16]", 0]
    assert accuracies(one.folder, 1, examples=300)[1] == pytest.approx(by_hand(words, one.folder, 1, every=2), abs=1e-6)
    low, mean, high = (float(rows["[32]", 2][part]) for part in ("low", "mean", "high"))
    assert low < mean < high
    for words, code, message in (
        (["--most", "0"], 1, "--most 0: must be at least 1"),
        (["--examples", "-1"], 1, "--examples -1: must be at least 1"),
        (["--most", "8"], 3, "has pictures of 8 × 8 pixels: lower --most"),
        (["--by", "model.width"], 1, "did you mean model.widths"),
    ):
        ended, _, complained = go(*words, "--out", "refused")
        assert ended == code
        assert message in complained
        assert not (tmp_path / "refused").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"experiment": "two_targets", "trainer.max_epochs": 1}, "does not give each picture one class"),
        ({**SMALL, "test": False}, "left its test set closed"),
    ],
)
def test_runs_that_classify_no_test_pictures_are_refused(run, go, settings, message):
    run(settings)
    ended, _, complained = go("--out", "refused")
    assert ended == 3
    assert message in complained


def test_the_sweep_trains_two_steps(run, mnist_files):
    more = {"data_dir": str(mnist_files("MNIST")), "data.sha256": None, "data.batch_size": 16, "debug": "fast"}
    result = run({"sweep": "shifts", "model": "cnn_small", "regulariser": "shifts", **more})
    assert (result.status, result.steps) == ("finished", 2)
