"""Commands that put runs together: what they write, refuse, and continue."""

import csv
import json
import os
import shutil
import signal

import numpy as np
import pytest
from conftest import ROOT, without_importing
from processes import PIPE, start

from encore.provenance import fingerprint
from encore.record import seal

SHORT = {"trainer.max_epochs": 1, "data.fraction": 0.2, "logger": "none"}
COMMANDS = ("ensemble", "boost", "bias_variance", "gap", "sharpness")


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        *((name, "--help", 0) for name in COMMANDS),
        *((name, "--wrong", 1) for name in COMMANDS),
        ("ensemble", "nothing", 3),
        ("bias_variance", "nothing --by seed", 3),
        ("gap", "nothing", 3),
        ("gap", "nothing --split train", 1),
        ("sharpness", "nothing", 3),
        ("sharpness", "runs --products 0", 1),
        ("sharpness", "runs --tolerance nan", 1),
        ("boost", "seed=-1", 1),
        ("boost", "--members 0", 1),
        ("boost", "data.bootstrap=3", 1),
    ],
)
def test_help_and_mistakes_are_answered_without_torch(tmp_path, name, words, code):
    modules = {"torch", "pytorch_lightning"}
    answer = without_importing(modules, ROOT / "scripts" / f"{name}.py", words.split(), tmp_path)
    assert "Traceback" not in answer.stderr
    assert answer.returncode == code
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_writes_an_ensemble_and_the_same_files_again(run, command, tmp_path):
    results = [run({**SHORT, "data.bootstrap": number}) for number in range(3)]
    done = command("scripts/ensemble.py", "runs", "nothing", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "left out: there is no run folder nothing" in done.stderr
    assert done.stdout.splitlines()[-1] == "out/ensemble.md"
    with (tmp_path / "out" / "ensemble.csv").open() as stream:
        *alone, together = csv.DictReader(stream)
    recorded = {str(result.folder.relative_to(tmp_path)): result.metrics["test/accuracy"] for result in results}
    assert {row["run"]: pytest.approx(float(row["accuracy"]), abs=1e-7) for row in alone} == recorded
    held = np.load(tmp_path / "out" / "ensemble.npz")
    assert (held["probabilities"].argmax(1) == held["targets"]).mean() == float(together["accuracy"])
    assert held["members"].mean(0) == pytest.approx(held["probabilities"])
    names = {"ensemble.md", "ensemble.csv", "ensemble.npz"}
    names |= {f"{name}.{kind}" for name in ("members", "uncertainty") for kind in ("png", "svg")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert command("scripts/ensemble.py", "runs", "--out", "again").returncode == 0
    for name in names - {"ensemble.md"}:  # which lists what was left out
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_runs_of_other_test_examples_end_the_command_with_3(run, command, tmp_path):
    for seed in range(2):
        run({**SHORT, "data.split_seed": seed})
    done = command("scripts/ensemble.py", "runs", "--out", "out")
    assert done.returncode == 3
    assert "data.split_seed=" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_command_writes_bias_and_variance(run, command, tmp_path):
    for width in (2, 4):
        for number in range(2):
            run({**SHORT, "model.widths": [width], "data.bootstrap": number})
    done = command("scripts/bias_variance.py", "runs", "--by", "model.widths", "--out", "out")
    assert done.returncode == 0, done.stderr
    names = {"bias_variance.md", "bias_variance.csv", "bias_variance.png", "bias_variance.svg"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    wrong = command("scripts/bias_variance.py", "runs", "--by", "model.width")
    assert wrong.returncode == 1
    assert "did you mean model.widths?" in wrong.stderr


WEAK = ["experiment=digits_weak", "trainer.max_epochs=2", "logger=none", "trainer=cpu", "--members", "4"]


def rows_of(file):
    with file.open() as stream:
        return [{name: value for name, value in row.items() if name != "run"} for row in csv.DictReader(stream)]


def finished(runs):
    return {path.parent.name: path.stat().st_mtime_ns for path in runs.rglob("result.json")}


@pytest.mark.slow
def test_boosting_that_was_killed_goes_on_to_the_same_figures_and_runs_no_member_twice(command, tmp_path):
    whole = command("scripts/boost.py", *WEAK, "--out", "whole", ENCORE_RUNS_DIR=str(tmp_path / "others"))
    assert whole.returncode == 0, whole.stderr
    words = [ROOT / "scripts" / "boost.py", *WEAK, "--out", "killed"]
    environment = {**os.environ, "ENCORE_RUNS_DIR": str(tmp_path / "runs")}
    with start(*words, cwd=tmp_path, stdout=PIPE, env=environment) as process:
        for line in process.stdout:
            if line.startswith("member 2"):
                process.send_signal(signal.SIGKILL)
                break
    before = finished(tmp_path / "runs")
    assert len(before) in (2, 3)
    done = command("scripts/boost.py", *WEAK, "--out", "killed")
    assert done.returncode == 0, done.stderr
    after = finished(tmp_path / "runs")
    assert after.keys() == finished(tmp_path / "others").keys()
    assert len(after) == 4
    assert len([name for name in before if after[name] == before[name]]) >= 2
    for name in ("boosting.png", "boosting.svg", "boosting.npz", "weights-4.npy"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    rows = rows_of(tmp_path / "killed" / "boosting.csv")
    assert rows == rows_of(tmp_path / "whole" / "boosting.csv")
    assert [row["members"] for row in rows] == ["1", "2", "3", "4"]
    other = command("scripts/boost.py", *WEAK, "seed=1", "--out", "killed")
    assert other.returncode == 1
    assert "belongs to another boosting" in other.stderr
    # the weights may move: what is there is looked at, not where it was
    (tmp_path / "killed").rename(tmp_path / "moved")
    moved = command("scripts/boost.py", *WEAK, "--out", "moved")
    assert moved.returncode == 0, moved.stderr
    assert finished(tmp_path / "runs") == after
    lost = command("scripts/ensemble.py", "runs", "--out", "together")
    assert lost.returncode == 3
    assert "weights.path" in lost.stderr


def test_the_first_member_is_drawn_evenly_and_the_next_by_what_it_got_wrong(command, tmp_path):
    assert command("scripts/boost.py", *WEAK[:-1], "2", "--out", "out").returncode == 0
    first = np.load(tmp_path / "out" / "weights-1.npy")
    assert first.sum() == pytest.approx(1)
    assert set(first[first > 0]) == {first.max()}
    second = np.load(tmp_path / "out" / "weights-2.npy")
    assert second.sum() == pytest.approx(1)
    assert len(set(second[second > 0])) == 2
    (row, _) = rows_of(tmp_path / "out" / "boosting.csv")
    say = float(row["its_say"])
    assert second.max() / second[second > 0].min() == pytest.approx(np.exp(say))
    assert (second == second.max()).sum() / (first > 0).sum() == pytest.approx(float(row["its_weighted_error"]))


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "code"), [(4, 1), (2, 0)])
def test_learners_that_are_no_better_than_chance_end_it(command, seed, code):
    """An untrained net is worse than chance or a little better; in its second round it has chance's error."""
    done = command("scripts/boost.py", *WEAK, "optim=sgd", "optim.lr=1e-9", f"seed={seed}", "--out", "out")
    assert done.returncode == code, done.stderr
    said = "Member 2 is left out, and boosting ends there" if code == 0 else "this learner cannot be boosted"
    assert f"{said}: it is no better than chance" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def by_other_code(folder):
    """Make a run's record that of the same run by code that changed no bit."""
    held, result = (json.loads((folder / name).read_text()) for name in ("manifest.json", "result.json"))
    code, config = held["code"], fingerprint.essential(held["config"])
    code["digests"]["encore.models.mlp"] = "0" * 64
    mark = fingerprint.mark(config, code["digests"], code["packages"], {})
    for name, content in {"manifest.json": held, "result.json": result}.items():
        (folder / name).write_text(json.dumps({**content, "fingerprint": mark}))
    seal.write(folder)


@pytest.mark.slow
def test_members_of_the_same_weights_count_once_and_other_weights_files_are_noticed(run, command, tmp_path):
    np.save(tmp_path / "weights.npy", np.arange(1797.0))
    words = {**SHORT, "data.weights.path": str(tmp_path / "weights.npy")}
    first, *_ = [run({**words, "data.bootstrap": number}).folder for number in range(3)]
    by_other_code(shutil.copytree(first, tmp_path / "runs" / "again"))
    done = command("scripts/ensemble.py", "runs", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("has the same weights as") == 1
    assert "3 runs put together" in done.stdout
    assert "The runs differ in data.bootstrap." in done.stdout
    np.save(tmp_path / "weights.npy", np.arange(1797.0)[::-1])
    other = command("scripts/ensemble.py", "runs", "--out", "out")
    assert other.returncode == 3
    assert "weights.npy has changed" in other.stderr


@pytest.mark.slow
def test_what_was_chosen_on_a_fold_is_said(run, command, tmp_path):
    plateau = {"scheduler": "plateau", "monitor.metric": "train/loss", "data.folds": 2}
    for fold in range(2):
        run({**SHORT, **plateau, "data.fold": fold})
    done = command("scripts/ensemble.py", "runs", "--split", "out-of-fold", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "Chosen on the fold that is predicted, which flatters it: scheduler by val/loss" in done.stdout
    votes = command("scripts/ensemble.py", "runs", "--split", "out-of-fold", "--how", "votes")
    assert votes.returncode == 1
    assert "one prediction" in votes.stderr
    (tmp_path / "file").touch()
    nowhere = command("scripts/ensemble.py", "runs", "--split", "out-of-fold", "--out", "file")
    assert nowhere.returncode == 74
    assert "--out file cannot be made" in nowhere.stderr
