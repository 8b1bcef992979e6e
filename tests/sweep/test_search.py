"""Searches: the same trials whoever runs them, however often they were stopped."""

import json
import signal
import time
from types import SimpleNamespace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial

from encore.errors import ConfigError, Pruned
from encore.sweep.judge import Judge
from encore.sweep.proposals import Proposals
from encore.sweep.sweeper_settings import PRUNERS, SAMPLERS, Settings

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


@pytest.mark.slow
@pytest.mark.long
def test_a_search_that_was_killed_does_the_missing_trials_and_ends_with_the_same_best(begin, sweep, tmp_path):
    words = [*LOOK, *QUICK, *TPE, "hydra.sweeper.trials=6"]
    process = begin(*words)
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "runs").rglob("best.ckpt"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = len(trials(tmp_path))
    assert 1 <= done < 6
    results = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("result.json")}
    code, said, _ = sweep(*words)
    assert code == 0
    assert said.splitlines()[0].startswith(f"{done + 1}/6")
    again = sum(path.stat().st_mtime_ns != time for path, time in results.items())
    assert again <= 1  # but for the one that was under way, nothing was run twice
    assert len(list((tmp_path / "runs").rglob("result.json"))) == 6

    code, whole, _ = sweep(*words, f"runs_dir={tmp_path / 'whole' / 'runs'}")
    assert code == 0
    assert trials(tmp_path) == trials(tmp_path / "whole")
    best = [line for line in said.splitlines() if line.startswith("best  ")]
    assert best == [line for line in whole.splitlines() if line.startswith("best  ")]
    assert len(best) == 1


@pytest.mark.slow
def test_two_workers_on_one_study_do_the_trials_of_one(begin, sweep, tmp_path):
    words = [*LOOK, *QUICK, *TPE, "hydra.sweeper.trials=8", "hydra.sweeper.parallel=2"]
    workers = [begin(*words) for _ in range(2)]
    for worker in workers:
        said, _ = worker.communicate(timeout=300)
        assert worker.returncode == 0, said
        assert "of 8: best val/loss" in said
    assert len(list((tmp_path / "runs").rglob("result.json"))) == 8
    code, _, _ = sweep(*words, f"runs_dir={tmp_path / 'alone' / 'runs'}")
    assert code == 0
    assert trials(tmp_path) == trials(tmp_path / "alone")


@pytest.mark.slow
def test_trials_that_diverge_or_fail_are_stored_and_the_search_goes_on(sweep, tmp_path):
    look = ["optim=sgd", "optim.lr=choice(0.1,1e30)", "data.batch_size=choice(64,5000)"]
    code, said, complained = sweep(*look, *QUICK, "hydra.sweeper.sampler=random", "hydra.sweeper.trials=8")
    assert code == 0, complained
    found = trials(tmp_path)
    assert [number for number, *_ in found] == list(range(8))
    assert {(state, status) for _, state, _, _, status, _ in found} == {
        ("COMPLETE", "finished"),
        ("FAIL", "diverged"),
        ("FAIL", "failed"),
    }
    assert "diverged: the loss is nan" in said
    assert "failed; delete" in said
    code, said, _ = sweep(*look, *QUICK, "hydra.sweeper.sampler=random", "hydra.sweeper.trials=8")
    assert code == 0
    assert not any(line.startswith("8/8") for line in said.splitlines())  # nothing is missing
    assert trials(tmp_path) == found


@pytest.mark.slow
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
    (journal,) = (tmp_path / "runs").rglob("study.journal")
    journal.unlink()
    assert sweep(*words)[0] == 0  # finished runs are taken as they are, pruned ones judged again
    assert trials(tmp_path) == found


@pytest.mark.slow
@pytest.mark.long
def test_what_was_run_before_changes_no_judgement(sweep, tmp_path):
    words = ["optim.lr=tag(log,interval(1e-6,1e-1))", *QUICK, "trainer.max_epochs=4", "hydra.sweeper.sampler=random"]
    words += ["hydra.sweeper.trials=5", "logger=csv"]
    assert sweep(*words)[0] == 0
    (unjudged,) = (tmp_path / "runs").rglob("study.journal")
    unjudged.unlink()
    pruner = "hydra.sweeper.pruner={_target_:optuna.pruners.MedianPruner,n_startup_trials:2}"
    code, said, _ = sweep(*words, pruner)
    assert code == 0
    assert said.count("finished before") == 5
    assert sweep(*words, pruner, f"runs_dir={tmp_path / 'clean' / 'runs'}")[0] == 0
    assert trials(tmp_path) == trials(tmp_path / "clean")


def test_an_epoch_without_validation_is_not_judged(sweep, tmp_path):
    words = ["optim.lr=choice(1e-3,1e-2)", *QUICK, "trainer.max_epochs=4", "+trainer.check_val_every_n_epoch=2"]
    code, _, _ = sweep(*words, "hydra.sweeper.sampler=random", "hydra.sweeper.trials=2", "hydra.sweeper.pruner=median")
    assert code == 0
    assert [sorted(values) for *_, values in trials(tmp_path)] == [[2, 4]] * 2


def test_what_was_judged_before_is_not_lost_while_it_is_judged_again(tmp_path):
    known = {str(epoch): 1 / epoch for epoch in range(1, 43)}
    (tmp_path / "pruning.json").write_text(json.dumps(known))
    judge = Judge("val/loss", "min", {"_target_": PRUNERS["threshold"], "upper": 0.05}, [])
    trainer = SimpleNamespace(default_root_dir=str(tmp_path), current_epoch=20, max_epochs=400, is_global_zero=True)
    with pytest.raises(Pruned, match="after epoch 1:"):
        judge.on_train_start(trainer, None)
    assert json.loads((tmp_path / "pruning.json").read_text()) == known


@pytest.mark.slow
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
    return Proposals(SPACE, {"_target_": SAMPLERS[sampler]}, seed, "min", parallel)


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


@pytest.mark.slow
def test_what_a_search_cannot_be_is_said_at_once(sweep, tmp_path):
    for words, message in (
        (["hydra.sweeper.sampler=foo"], "hydra.sweeper.sampler=foo: must be tpe, gp, random"),
        (["hydra.sweeper.sampler=tpe", "hydra.sweeper.trials=0"], "hydra.sweeper.trials=0: must be"),
        (["hydra.sweeper.sampler=tpe", "hydra.sweeper.parallel=0"], "hydra.sweeper.parallel=0: must be"),
        (["hydra.sweeper.sampler=tpe"], "needs a search space"),
        (["hydra.sweeper.sampler=tpe", "optim.lr=tag(log,interval(-1,1))"], "cannot be searched"),
        (["hydra.sweeper.sampler=tpe", "optim.lr=interval(nan,1)"], "from nan to 1.0 has no end; both must be finite"),
        (
            ["hydra.sweeper.sampler=tpe", "optim.lr=interval(0.1,inf)"],
            "from 0.1 to inf has no end; both must be finite",
        ),
        (["optim.lr=interval(0,1)"], "hydra.sweeper.sampler=tpe searches an interval"),
        (["hydra.sweeper.sampler=tpe", *LOOK, "hydra.sweeper.pruner=foo"], "hydra.sweeper.pruner=foo: must be median"),
        (["hydra.sweeper.sampler=tpe", *LOOK, "hydra.sweeper.pruner={_target_:optuna.Nothing}"], "optuna.Nothing"),
        (["hydra.sweeper.sampler={_target_:optuna.Nothing}", *LOOK], "optuna.Nothing"),
        (["hydra.sweeper.sampler=tpe", "optim.foo=interval(0,1)"], "there is no setting optim.foo"),
        (["hydra.sweeper.sampler={_target_:optuna.samplers.QMCSampler}", *LOOK], "must be tpe, gp, random"),
        (["hydra.sweeper.sampler=tpe", "model=choice(mlp,foo)"], "there is no model=foo"),
        (
            ["hydra.sweeper.sampler=tpe", "monitor.metric=choice(val/loss,val/accuracy)"],
            "a search needs a single metric",
        ),
        (["hydra.sweeper.sampler=tpe", "optim.lr=choice(abc,def)"], ": must be a number greater than 0"),
    ):
        code, _, complained = sweep(*words)
        assert code == 1, words
        assert message in complained
        assert "Traceback" not in complained
    assert not list(tmp_path.rglob("result.json"))


def test_settings_by_name_are_recipes():
    given = {"params": {}, "by": None, "metric": "m", "trials": 1, "seed": 0, "parallel": 1, "storage": None}
    settings = Settings.of({**given, "sampler": "random", "pruner": "median"})
    assert settings.sampler == {"_target_": SAMPLERS["random"]}
    assert settings.pruner == {"_target_": PRUNERS["median"]}
    with pytest.raises(ConfigError, match=r"no setting hydra\.sweeper\.trails; did you mean trials"):
        Settings.of({**given, "sampler": None, "pruner": None, "trails": 3})


def test_a_storage_that_cannot_be_used_is_named(sweep, tmp_path):
    code, _, complained = sweep("hydra.sweeper.sampler=tpe", *LOOK, *QUICK, "hydra.sweeper.storage=nothing://")
    assert code == 3
    assert "hydra.sweeper.storage=nothing:// cannot be used" in complained


@pytest.mark.slow
def test_a_study_whose_last_line_was_cut_off_goes_on(sweep, tmp_path):
    words = [*LOOK, *QUICK, *TPE]
    assert sweep(*words, "hydra.sweeper.trials=3")[0] == 0
    whole = trials(tmp_path)
    (journal,) = (tmp_path / "runs").rglob("study.journal")
    journal.write_bytes(journal.read_bytes()[:-20])
    journal.with_name("study.journal.lock").touch()  # of a process that is gone
    assert sweep(*words, "hydra.sweeper.trials=4")[0] == 0
    assert trials(tmp_path)[:3] == whole
    altered = next((tmp_path / "runs").rglob("result.json"))
    true = altered.read_text()
    altered.write_text(true.replace('"monitored": ', '"monitored": 1'))
    code, said, complained = sweep(*words, "hydra.sweeper.trials=5")
    assert code == 3
    assert f"{altered.parent}: result.json was changed" in complained
    assert "best  " not in said
    assert len(trials(tmp_path)) == 4  # nothing follows from it
    assert sweep(*words, "hydra.sweeper.trials=4")[0] == 3  # nor is it reported
    altered.write_text(true)
    journal.write_bytes(b"nonsense\n" + journal.read_bytes())
    code, _, complained = sweep(*words, "hydra.sweeper.trials=5")
    assert code == 3
    assert "study.journal cannot be used" in complained


@pytest.mark.slow
def test_the_best_is_the_greatest_where_that_is_monitored(sweep, tmp_path):
    better = ["monitor.metric=val/accuracy", "monitor.mode=max"]
    look = ["optim.lr=choice(1e-5,1e-2,3e-2)", "hydra.sweeper.sampler=random", "hydra.sweeper.trials=5"]
    code, said, _ = sweep(*look, *better, *QUICK)
    assert code == 0
    best = max(value for _, _, value, *_ in trials(tmp_path))
    assert f": best val/accuracy {best:.4g}" in said
    assert len({value for _, _, value, *_ in trials(tmp_path)}) > 1


@pytest.mark.slow
def test_without_a_validation_set_the_training_loss_is_what_counts(sweep, tmp_path):
    words = ["data.val_fraction=0", "hydra.sweeper.pruner={_target_:optuna.pruners.ThresholdPruner,upper:2.0}"]
    words += ["optim.lr=choice(1e-6,1e-2)", "hydra.sweeper.sampler=random", "hydra.sweeper.trials=6"]
    code, said, _ = sweep(*words, *QUICK)
    assert code == 0
    assert "best train/loss" in said
    assert {state for _, state, *_ in trials(tmp_path)} == {"COMPLETE", "PRUNED"}


@pytest.mark.slow
def test_settings_that_are_added_and_experiments_can_be_searched(sweep, tmp_path):
    look = [
        "+trainer.limit_train_batches=choice(1,2)",
        "experiment=choice(digits_mlp)",
        "++optim.eps=interval(1e-9,1e-6)",
    ]
    code, said, _ = sweep(*look, *QUICK, "hydra.sweeper.sampler=random", "hydra.sweeper.trials=3")
    assert code == 0
    assert "report.html" in said
    assert said.splitlines()[-1].startswith("again    python train.py")


@pytest.mark.slow
def test_an_sqlite_storage_holds_the_study(sweep, tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    code, _, _ = sweep(*LOOK, *QUICK, *TPE, "hydra.sweeper.trials=3", f"hydra.sweeper.storage={url}")
    assert code == 0
    (study,) = optuna.get_all_study_summaries(url)
    assert study.n_trials == 3
