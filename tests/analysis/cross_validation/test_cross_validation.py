"""Cross-validation: what it chooses, what it never looks at, and that it goes on."""

import csv
import os
import signal
from statistics import fmean

import numpy as np
import pytest
from conftest import ROOT, without_importing
from processes import PIPE, start

from encore.analysis.cross_validation.plan import plan
from encore.config.compose import literal
from encore.errors import ConfigError, Diverged, InputError
from encore.files import read_json
from encore.record.lock import held
from encore.record.result import Result

SHORT = ["trainer.max_epochs=2", "data.fraction=0.3", "optim=sgd", "trainer=cpu", "threads=1", "logger=none"]
RATES = "optim.lr=0.01,1,0.1"


@pytest.fixture
def validate(tmp_path):
    """A cross-validation in this process; gives its findings: `validate(RATES, folds=3)`."""
    from encore.analysis.cross_validation.choice import cross_validate

    def go(*words, folds=2):
        return cross_validate(plan([*SHORT, f"runs_dir={tmp_path / 'runs'}", *words], folds))

    return go


def runs_below(folder):
    """Every run: its config and its result."""
    found = sorted(folder.rglob("result.json"))
    return [(read_json(path.parent / "manifest.json")["config"], Result.read(path.parent)) for path in found]


@pytest.mark.parametrize(("words", "mode"), [([], min), (["monitor.metric=val/accuracy", "monitor.mode=max"], max)])
def test_the_best_mean_of_the_last_epochs_is_chosen_and_trained_on_everything(validate, tmp_path, words, mode):
    metric = "val/loss" if mode is min else "val/accuracy"
    findings = validate(RATES, "trainer.max_epochs=3", *words)
    runs = runs_below(tmp_path / "runs")
    means = {}
    for rate in (0.01, 1, 0.1):
        on_folds = [result for cfg, result in runs if cfg["optim"]["lr"] == rate and cfg["data"]["folds"]]
        assert len(on_folds) == 2
        means[rate] = fmean(result.metrics[metric] for result in on_folds)
    (last,) = [(cfg, result) for cfg, result in runs if not cfg["data"]["folds"]]
    assert last[0]["optim"]["lr"] == mode(means, key=means.get)
    assert last[1].epochs == 3
    sizes = read_json(last[1].folder / "manifest.json")["data"]["sizes"]
    assert sizes == {"train": round(0.3 * 1437), "val": 0, "test": 360}
    assert f"test set's 360 examples, read once: loss {last[1].metrics['test/loss']:.4f}" in findings.notes[-1]
    assert str(last[1].folder) in findings.notes[-1]
    heading, *rows = findings.values
    shown = {float(row[0]): row[heading.index("mean")] for row in rows}
    assert shown == pytest.approx(means)
    assert [float(row[0]) for row in rows if row[-1] == "yes"] == [last[0]["optim"]["lr"]]
    if mode is max:  # a fold's best epoch, which flatters, is another one
        assert any(result.monitored != result.metrics[metric] for cfg, result in runs if cfg["data"]["folds"])


def test_only_the_last_run_opens_the_test_set(validate, tmp_path):
    inputs = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    np.savez(tmp_path / "train.npz", x=inputs, y=np.arange(120) % 3)
    (tmp_path / "test.npz").write_bytes(b"not to be looked at")
    test = {"_target_": "encore.data.sources.Npz", "path": str(tmp_path / "test.npz"), "inputs": "x", "targets": "y"}
    data = {"data.path": str(tmp_path / "train.npz"), "data.num_classes": 3, "data.shape": [4], "data.test": test}
    words = [
        "data=npz",
        "data.test_fraction=0",
        "data.batch_size=8",
        *(f"{name}={literal(value)}" for name, value in data.items()),
    ]
    with pytest.raises(InputError, match=r"optim.lr=.*, all that is not for test: .*test.npz is not a NumPy archive"):
        validate(RATES, *words)
    runs = runs_below(tmp_path / "runs")
    assert [(cfg["test"], result.status) for cfg, result in runs] == [(False, "finished")] * 6
    assert not any(name.startswith("test/") for _, result in runs for name in result.metrics)


@pytest.mark.slow
def test_runs_are_those_of_train_py_and_none_is_made_twice(validate, run, tmp_path, capsys):
    first = validate(RATES)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("result.json")}
    assert len(before) == 7
    second = validate(RATES)
    assert (second.text(), second.csv(), second.markdown()) == (first.text(), first.csv(), first.markdown())
    capsys.readouterr()
    run(*SHORT, "optim.lr=1", "data.folds=2", "data.fold=1", "test=false")
    run(*SHORT, "optim.lr=1", "data.val_fraction=0")
    assert capsys.readouterr().out.count("finished already") == 2
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("result.json")} == before
    elsewhere = run(*SHORT, "optim.lr=1", "data.val_fraction=0", "fresh=true")
    (last,) = [result for cfg, result in runs_below(tmp_path / "runs") if not cfg["data"]["folds"] and not cfg["fresh"]]
    assert elsewhere.folder != last.folder
    assert (elsewhere.weights_sha256, elsewhere.metrics) == (last.weights_sha256, last.metrics)


def test_a_combination_that_diverges_is_out_and_the_others_go_on(validate, tmp_path):
    findings = validate("optim.lr=1e30,0.1", "model.widths=[8],[16]")
    assert sorted(row[-1] for row in findings.rows[1:]) == ["", "chosen", *["out: fold 0 diverged"] * 2]
    assert len(findings.left_out) == 2
    assert "optim.lr=1e+30 model.widths=[8]: fold 0 diverged: the loss is" in findings.left_out[0]
    assert "Next comes optim.lr=0.1" in findings.notes[0]
    assert "diverged" in findings.markdown()
    diverged = [result for cfg, result in runs_below(tmp_path / "runs") if cfg["optim"]["lr"] == 1e30]
    assert [result.status for result in diverged] == ["diverged"] * 2  # their other folds could tell nothing
    findings.write(tmp_path)
    assert (tmp_path / "cross_validation.png").stat().st_size > 10_000


def test_where_all_diverge_there_is_nothing_to_choose(validate):
    with pytest.raises(Diverged, match="nothing to choose") as said:
        validate("optim.lr=1e30,1e31")
    for rate in ("1e+30", "1e+31"):
        assert f"\n  optim.lr={rate}: fold 0 diverged: the loss is" in str(said.value)


def test_without_a_test_set_it_is_said(validate):
    findings = validate("optim.lr=0.1,1", "data.test_fraction=0")
    assert "It has no test set: data=digits has none; data.test_fraction=0.2 holds one out." in findings.notes[-1]


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "there is nothing to choose from"),
        (["optim.lr=0.1,0.1"], "there is nothing to choose from"),
        (["optim.lr=interval(0,1)"], "searches an interval"),
        (["optim.lr=0.1,abc"], "optim.lr=abc, on a fold: optim.lr=abc: must be a number"),
        (
            ["optim.lr=0.1,1", "callbacks=early_stopping"],
            "callbacks.early_stopping.monitor=val/loss: the last run trains on all examples",
        ),
        (["optim.lr=0.1,1", "monitor.metric=train/loss"], "monitor.metric=train/loss is not of the fold"),
        (["optim.lr=0.1,1", "+trainer.limit_val_batches=0"], "looks at no fold"),
        (["seed=0,1"], "seed cannot be chosen by a metric"),
        (["data.split_seed=0,1"], "data.split_seed cannot be chosen by a metric"),
        (["data=digits,mnist"], "data cannot be chosen by a metric"),
        (["trainer.profile=true,false"], "several of these values make the same run"),
        (["optim.lr=0.1,1", "data.folds=3"], "data.folds: leave it out; --folds says"),
        (["optim.lr=0.1,1", "test=false"], "test: leave it out"),
        (["sweep=folds"], "data.fold: leave it out"),
        (["optim.lr=0.1,1", "fresh=true"], "fresh: leave it out"),
        (["optim.lr=0.1,1", "hydra/launcher=joblib"], "with any launcher, encore train -m"),
        (["optim.rate=0.1,1"], "there is no setting optim.rate"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_run(words, message):
    with pytest.raises(ConfigError, match=message):
        plan(words, 5)


def test_the_named_one_gives_its_values_and_the_command_line_others():
    assert len(plan(["sweep=cross_validation"], 5).candidates) == 7
    given = plan(["sweep=cross_validation", "optim.lr=0.2,0.4", "model.dropout=0,0.5"], 5)
    assert given.settings == ["optim.lr", "model.dropout"]
    assert [each.label for each in given.candidates] == [
        f"optim.lr={rate} model.dropout={dropout}" for rate in (0.2, 0.4) for dropout in (0, 0.5)
    ]


@pytest.mark.parametrize(
    ("words", "code"), [("--help", 0), ("--wrong", 1), ("optim.lr=1,2 --folds 1", 1), ("optim.lr=1", 1)]
)
def test_help_and_mistakes_are_answered_without_torch(tmp_path, words, code):
    modules = {"torch", "pytorch_lightning", "pandas"}
    answer = without_importing(modules, ROOT / "scripts" / "cross_validate.py", words.split(), tmp_path)
    assert "Traceback" not in answer.stderr
    assert answer.returncode == code
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_findings_and_its_folder_is_its_own(command, validate, tmp_path):
    words = [*SHORT, "trainer.max_epochs=3", RATES, "--folds", "2", "--out"]
    environment = {**os.environ, "ENCORE_RUNS_DIR": str(tmp_path / "others")}
    script = ROOT / "scripts" / "cross_validate.py"
    with start(script, *words, "killed", cwd=tmp_path, stdout=PIPE, env=environment) as process:
        for line in process.stdout:
            if line.startswith("optim.lr=1, fold 0"):
                process.send_signal(signal.SIGKILL)
                break
    others = tmp_path / "others"
    before = {result.folder: result for _, result in runs_below(others) if result.status == "finished"}
    assert 3 <= len(before) < 7
    done = command("scripts/cross_validate.py", *words, "killed", ENCORE_RUNS_DIR=str(others))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "killed/cross_validation.md"
    after = {result.folder: result for _, result in runs_below(others)}
    assert len(after) == 7
    assert {folder: after[folder] for folder in before} == before
    (tmp_path / "whole").mkdir()
    validate(*words[:-3]).write(tmp_path / "whole")
    for name in ("csv", "png", "svg"):
        name = f"cross_validation.{name}"
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    with held(tmp_path / "killed"):
        busy = command("scripts/cross_validate.py", *words, "killed")
        assert busy.returncode == 75
    other = command("scripts/cross_validate.py", *words, "killed", "seed=1")
    assert other.returncode == 1
    assert "killed belongs to another cross-validation" in other.stderr
    with (tmp_path / "killed" / "cross_validation.csv").open() as stream:
        assert [row["optim.lr"] for row in csv.DictReader(stream)] == ["0.01", "1", "0.1"]
