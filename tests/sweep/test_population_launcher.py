"""hydra/launcher=population: which runs train together, and what is left when they are killed."""

import json
import signal

import pytest
from test_sweeps import QUICK, finished, runs, wait_for

POPULATION = ["hydra/launcher=population", "hydra.launcher.members=3"]


def test_runs_that_differ_in_little_train_together_and_the_others_alone(sweep, tmp_path):
    words = ["seed=range(2)", "optim.lr=0.1,0.01", "optim=sgd,muon", *POPULATION, *QUICK, "data.fraction=0.2"]
    code, said, complained = sweep(*words)
    assert (code, complained) == (0, "")
    assert "4 runs together, 2 at once: a step of 2 together takes" in said
    assert "4 runs one after the other: Muon is not stepped number by number" in said
    assert "8/8" in said
    found = runs(tmp_path)
    assert len(found) == 8
    populations = [json.loads(path.read_text())["config"]["population"] for path in tmp_path.rglob("manifest.json")]
    assert sorted(populations, key=str) == [2] * 4 + [None] * 4
    code, said, _ = sweep(*words)
    assert (code, said.count("finished before")) == (0, 8)
    assert runs(tmp_path) == found


def test_auto_measures_and_says_what_it_takes(sweep, tmp_path):
    code, said, _ = sweep("seed=range(3)", "hydra/launcher=population", *QUICK)
    assert code == 0
    assert said.startswith(("3 runs together: a step of 3", "3 runs one after the other: a step of 3"))
    code, said, _ = sweep("seed=range(2)", "hydra/launcher=population", *QUICK)
    assert code == 0
    assert said.startswith("2 runs one after the other: too few for what trying costs")


def test_a_wrong_number_of_members_is_said(sweep, tmp_path):
    for number in ("0", "some", "257"):
        code, _, complained = sweep("seed=0,1", "hydra/launcher=population", f"hydra.launcher.members={number}", *QUICK)
        assert code == 1
        assert f"hydra.launcher.members must be auto or a number, 1 to 256, not {number}" in complained


@pytest.mark.slow
def test_a_member_is_used_as_any_run_is(sweep, command, tmp_path):
    code, _, _ = sweep("seed=range(3)", *POPULATION, "trainer=cpu", "threads=1", "trainer.max_epochs=2", "optim=adam")
    assert code == 0
    folder = sorted((tmp_path / "runs").rglob("result.json"))[1].parent
    again = command("scripts/reproduce.py", str(folder))
    assert again.returncode == 0, again.stderr
    assert "REPRODUCED bit for bit" in again.stdout
    assert "differed" not in again.stdout
    measured = command("scripts/evaluate.py", str(folder))
    assert measured.returncode == 0, measured.stderr
    assert "validated as one of 3, measured alone: last digits may differ" in measured.stdout


@pytest.mark.slow
def test_a_population_that_is_killed_ends_in_the_same_bits(begin, sweep, tmp_path):
    words = [
        "seed=range(3)", "model.dropout=0.2", *POPULATION, "trainer=cpu", "threads=1", "trainer.max_epochs=60",
        "callbacks.checkpoint.min_seconds_between=0",
    ]  # fmt: skip
    told = begin(*words)
    wait_for(lambda: len(list((tmp_path / "runs").rglob("previous.ckpt"))) == 3)
    told.send_signal(signal.SIGKILL)
    told.communicate(timeout=60)
    assert finished(tmp_path) == 0
    code, _, _ = sweep(*words)
    assert code == 0
    resumed = {key: result["weights_sha256"] for key, result in runs(tmp_path).items()}
    reasons = [json.loads(path.read_text())["attempts"][-1]["reason"] for path in tmp_path.rglob("manifest.json")]
    assert reasons == ["killed"] * 3
    code, _, _ = sweep(*words, f"runs_dir={tmp_path / 'whole' / 'runs'}")
    assert code == 0
    assert {key: result["weights_sha256"] for key, result in runs(tmp_path / "whole").items()} == resumed
