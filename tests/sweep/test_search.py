"""Searches: the same trials whoever runs them, however often they were stopped."""

import os
import signal
import subprocess
import sys
import time

import optuna
import pytest
from conftest import ROOT
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from encore.errors import ConfigError
from encore.sweep.proposals import Proposals
from encore.sweep.settings import PRUNERS, SAMPLERS, Settings

LOOK = ["optim.lr=tag(log,interval(1e-3,1e-1))", "model.widths=choice([8],[16],[8,8])"]
QUICK = ["trainer=cpu", "trainer.max_epochs=2", "threads=1", "logger=none"]
TPE = ["hydra.sweeper.sampler={_target_:optuna.samplers.TPESampler,n_startup_trials:2}"]


def trials(tmp_path):
    """What a search has stored: number, state, value, settings and status of each trial."""
    (file,) = (tmp_path / "runs").rglob("study.journal")
    storage = JournalStorage(JournalFileBackend(str(file)))
    (study,) = storage.get_all_studies()
    return [
        (
            trial.number,
            trial.state.name,
            trial.value,
            trial.params,
            trial.user_attrs["status"],
            trial.intermediate_values,
        )
        for trial in storage.get_all_trials(study._study_id)
    ]


def begin(tmp_path, *words):
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "-m", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "ENCORE_RUNS_DIR": str(tmp_path / "runs")},
    )


def test_a_search_that_was_killed_does_the_missing_trials_and_ends_with_the_same_best(sweep, tmp_path):
    words = [*LOOK, *QUICK, *TPE, "hydra.sweeper.trials=8"]
    process = begin(tmp_path, *words)
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "runs").rglob("best.ckpt"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = len(trials(tmp_path))
    assert 1 <= done < 8
    results = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("result.json")}
    code, said, _ = sweep(*words)
    assert code == 0
    assert said.splitlines()[0].startswith(f"{done + 1}/8")
    again = sum(path.stat().st_mtime_ns != time for path, time in results.items())
    assert again <= 1  # but for the one that was under way, nothing was run twice
    assert len(list((tmp_path / "runs").rglob("result.json"))) == 8

    code, whole, _ = sweep(*words, f"runs_dir={tmp_path / 'whole' / 'runs'}")
    assert code == 0
    assert trials(tmp_path) == trials(tmp_path / "whole")
    best = [line for line in said.splitlines() if line.startswith("best  ")]
    assert best == [line for line in whole.splitlines() if line.startswith("best  ")]
    assert len(best) == 1


def test_two_workers_on_one_study_do_the_trials_of_one(sweep, tmp_path):
    words = [*LOOK, *QUICK, *TPE, "hydra.sweeper.trials=8", "hydra.sweeper.parallel=2"]
    workers = [begin(tmp_path, *words) for _ in range(2)]
    for worker in workers:
        said, _ = worker.communicate(timeout=300)
        assert worker.returncode == 0, said
        assert "of 8: best val/loss" in said
    assert len(list((tmp_path / "runs").rglob("result.json"))) == 8
    code, _, _ = sweep(*words, f"runs_dir={tmp_path / 'alone' / 'runs'}")
    assert code == 0
    assert trials(tmp_path) == trials(tmp_path / "alone")


def test_trials_that_diverge_or_fail_are_stored_and_the_search_goes_on(sweep, tmp_path):
    look = ["optim=sgd", "optim.lr=choice(0.1,1e30)", "data.batch_size=choice(64,5000)"]
    code, said, complained = sweep(*look, *QUICK, "hydra.sweeper.sampler=random", "hydra.sweeper.trials=12")
    assert code == 0, complained
    found = trials(tmp_path)
    assert [number for number, *_ in found] == list(range(12))
    assert {(state, status) for _, state, _, _, status, _ in found} == {
        ("COMPLETE", "finished"),
        ("FAIL", "diverged"),
        ("FAIL", "failed"),
    }
    assert "diverged: the loss is nan" in said
    assert "failed; without" in said
    code, said, _ = sweep(*look, *QUICK, "hydra.sweeper.sampler=random", "hydra.sweeper.trials=12")
    assert code == 0
    assert not any(line.startswith("12/12") for line in said.splitlines())  # nothing is missing
    assert trials(tmp_path) == found


def test_hopeless_trials_are_pruned_the_same_ones_each_time(sweep, tmp_path):
    words = ["optim.lr=tag(log,interval(1e-6,1e-1))", *QUICK, "trainer.max_epochs=5", "hydra.sweeper.sampler=random"]
    words += [
        "hydra.sweeper.pruner={_target_:optuna.pruners.MedianPruner,n_startup_trials:2}",
        "hydra.sweeper.trials=8",
    ]
    code, said, _ = sweep(*words)
    assert code == 0
    found = trials(tmp_path)
    pruned = [len(values) for _, state, *_, values in found if state == "PRUNED"]
    assert pruned
    assert max(pruned) < 5
    assert said.count("pruned after epoch") >= len(pruned)
    for file in (tmp_path / "runs").rglob("study.journal"):
        file.unlink()
    assert sweep(*words)[0] == 0  # finished runs are taken as they are, pruned ones judged again
    assert trials(tmp_path) == found


def test_more_trials_go_on_from_fewer(sweep, tmp_path):
    words = [*LOOK, *QUICK, *TPE]
    assert sweep(*words, "hydra.sweeper.trials=3")[0] == 0
    first = trials(tmp_path)
    code, said, _ = sweep(*words, "hydra.sweeper.trials=5")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()[:2]] == ["4/5", "5/5"]
    assert trials(tmp_path)[:3] == first


def test_data_that_are_missing_end_a_search_at_once(sweep, tmp_path):
    code, said, _ = sweep(
        *LOOK, *QUICK, *TPE, "data=npz", "data.path=nothing.npz", "data.num_classes=2", "data.shape=[4]"
    )
    assert code == 3
    assert "there is no file nothing.npz" in said
    assert trials(tmp_path) == []


SPACE = {
    "x": FloatDistribution(-1, 1),
    "n": IntDistribution(1, 9),
    "kind": CategoricalDistribution(["a", "b"]),
}


def proposals(parallel=1, seed=0, sampler="tpe"):
    return Proposals(SPACE, {**SAMPLERS[sampler]}, seed, "min", parallel)


def played(search, count):
    """The settings of so many trials of a known function."""
    found = []
    for number in range(count):
        params = search.params(number, found)
        found.append(create_trial(value=params["x"] ** 2 + params["n"], params=params, distributions=SPACE))
    return [trial.params for trial in found], found


def test_a_trial_is_a_function_of_its_number_and_the_trials_before_its_batch():
    params, found = played(proposals(parallel=4), 24)
    assert params == played(proposals(parallel=4), 24)[0]
    assert params != played(proposals(parallel=4, seed=1), 24)[0]
    for number in (0, 5, 17, 23):
        first = number - number % 4
        assert proposals(parallel=4).params(number, found[:first]) == params[number]
        assert proposals(parallel=4).params(number, found) == params[number]
    assert len({str(each) for each in params}) == 24


def test_tpe_finds_what_is_better_than_at_random():
    best = {kind: min(trial.value for trial in played(proposals(sampler=kind), 60)[1]) for kind in ("tpe", "random")}
    assert best["tpe"] < best["random"]


def test_what_a_search_cannot_be_is_said_at_once(sweep, tmp_path):
    for words, message in (
        (["hydra.sweeper.sampler=foo"], "hydra.sweeper.sampler=foo: must be tpe, random"),
        (["hydra.sweeper.sampler=tpe", "hydra.sweeper.trials=0"], "hydra.sweeper.trials=0: must be"),
        (["hydra.sweeper.sampler=tpe", "hydra.sweeper.parallel=0"], "hydra.sweeper.parallel=0: must be"),
        (["hydra.sweeper.sampler=tpe"], "where to look"),
        (["hydra.sweeper.sampler=tpe", "optim.lr=tag(log,interval(-1,1))"], "cannot be searched"),
        (["optim.lr=interval(0,1)"], "hydra.sweeper.sampler=tpe searches an interval"),
        (["hydra.sweeper.sampler=tpe", *LOOK, "hydra.sweeper.pruner=foo"], "hydra.sweeper.pruner=foo: must be median"),
        (["hydra.sweeper.sampler=tpe", *LOOK, "hydra.sweeper.pruner={_target_:optuna.Nothing}"], "optuna.Nothing"),
        (["hydra.sweeper.sampler={_target_:optuna.Nothing}", *LOOK], "optuna.Nothing"),
        (["hydra.sweeper.sampler=tpe", "optim.foo=interval(0,1)"], "there is no setting optim.foo"),
        (["hydra.sweeper.sampler=tpe", *LOOK, "hydra.sweeper.storage=nothing://"], "hydra.sweeper.storage=nothing://"),
    ):
        code, _, complained = sweep(*words)
        assert code == 1, words
        assert message in complained
        assert "Traceback" not in complained
    assert not list(tmp_path.rglob("result.json"))


def test_settings_by_name_are_recipes():
    given = {"params": {}, "by": None, "metric": "m", "trials": 1, "seed": 0, "parallel": 1, "storage": None}
    settings = Settings.of({**given, "sampler": "random", "pruner": "median"})
    assert settings.sampler == SAMPLERS["random"]
    assert settings.pruner == PRUNERS["median"]
    with pytest.raises(ConfigError, match=r"no setting hydra\.sweeper\.trails; did you mean trials"):
        Settings.of({**given, "sampler": None, "pruner": None, "trails": 3})


def test_an_sqlite_storage_holds_the_study(sweep, tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    code, _, _ = sweep(*LOOK, *QUICK, *TPE, "hydra.sweeper.trials=3", f"hydra.sweeper.storage={url}")
    assert code == 0
    (study,) = optuna.get_all_study_summaries(url)
    assert study.n_trials == 3
