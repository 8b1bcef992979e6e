"""`encore runs`: which runs, in which order; the bin, and checkpoints that are freed."""

import json
import os
from pathlib import Path

import pytest
from conftest import ROOT, without_importing

from encore.analysis.results import disposal
from encore.analysis.results.conditions import Condition
from encore.commands import evaluate, runs
from encore.errors import ConfigError
from encore.record import seal
from encore.record.lock import held
from encore.record.result import Result

LRS = (0.001, 0.01, 0.1)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Three finished runs by learning rate, of which the second is the best, and one that was killed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCORE_RUNS_DIR", "runs")
    for number, (lr, accuracy) in enumerate(zip((*LRS, 1.0), (0.7, 0.9, 0.8, None), strict=True)):
        mark = f"{number}{'ab' * 20}"
        folder = tmp_path / "runs" / "digits-mlp-adam" / f"lr{lr:g}" / f"seed{number}-{mark[:10]}"
        (folder / "checkpoints").mkdir(parents=True)
        facts = {"fingerprint": mark, "seed": number, "name": "digits-mlp-adam"}
        result = {**facts, "status": "running", "started": f"2026-11-0{number + 1}T08:00:00+00:00"}
        if accuracy is not None:
            metrics = {"test/accuracy": accuracy, "val/loss": 1 - accuracy}
            result |= {
                "status": "finished",
                "metrics": metrics,
                "monitored": 1 - accuracy,
                "best": {"monitor": "val/loss"},
            }
        config = {"optim": {"lr": lr}, "model": {"widths": [64, number]}, "monitor": {"mode": "min"}}
        (folder / "manifest.json").write_text(json.dumps({"config": config, "seal": seal.FILE}))
        (folder / "config.yaml").write_text("")
        (folder / "checkpoints" / "best.ckpt").write_bytes(bytes(1000))
        (folder / "result.json").write_text(json.dumps(result))
        if accuracy is not None:
            seal.write(folder)
    return tmp_path / "runs"


def seeds(typed, *words):
    code, out, err = typed(runs.main, *words, "--columns", "seed", "--json")
    assert (code, err) == (0, "")
    return [run["seed"] for run in json.loads(out)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], [0, 1, 2, 3]),
        (["--where", "optim.lr>0.01"], [2, 3]),
        (["--where", "optim.lr>=1e-2", "--where", "status=finished"], [1, 2]),
        (["--where", "model.widths=[64, 1]"], [1]),
        (["--where", "test/accuracy!=0.7"], [1, 2, 3]),
        (["--where", "run=digits-mlp-adam", "--where", "seed<1"], [0]),
        (["--sort", "test/accuracy"], [1, 2, 0, 3]),
        (["--sort", "val/loss"], [1, 2, 0, 3]),
        (["--sort", "-val/loss"], [0, 2, 1, 3]),
        (["--sort", "-optim.lr", "--best", "2"], [3, 2]),
        (["--best", "1"], [1]),
        (["--since", "2026-11-03"], [2, 3]),
        (["--since", "0.001h"], []),
    ],
)
def test_runs_are_chosen_and_sorted(made, typed, words, found):
    assert seeds(typed, *words) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "optim.lrr>1"], "no run has optim.lrr; did you mean optim.lr?"),
        (["--where", "lr"], "'lr' is no condition"),
        (["--sort", "test/acuracy"], "did you mean test/accuracy?"),
        (["--columns", "sead"], "did you mean seed?"),
        (["--since", "yesterday"], "--since yesterday: write a date"),
        (["--best", "0"], "--best 0: must be at least 1"),
        (["--delete", "0ab"], "--yes says so where there is no terminal"),
        (["--delete", "0ab", "--yes", "--where", "seed=1"], "--delete takes the runs that it names, whatever --where"),
        (["--delete", "0ab", "--yes", "--keep-best", "0"], "whatever --keep-best says: leave --keep-best out"),
    ],
)
def test_a_mistake_is_answered(made, typed, words, said):
    before = sorted(made.rglob("*"))
    code, _, err = typed(runs.main, *words)
    assert code == 1
    assert said in err
    assert sorted(made.rglob("*")) == before


def test_the_table_shows_what_was_asked_about(made, typed):
    _, out, _ = typed(runs.main, "--where", "optim.lr<0.1", "--sort", "model.widths")
    heading, first, *_ = out.splitlines()
    assert " ".join(heading.split()) == "started (UTC) run seed status optim.lr model.widths test/accuracy folder"
    assert "0.001     [64, 0]       0.7000" in first


def test_a_text_is_neither_more_nor_less_than_a_number():
    assert not Condition.parse("a<3").holds("all")
    assert Condition.parse("a!=3").holds("all")
    with pytest.raises(ConfigError):
        Condition.parse(">3")


def test_a_deleted_run_can_be_got_back(made, typed):
    folder = made / "digits-mlp-adam" / "lr0.01" / "seed1-1ababababa"
    code, out, _ = typed(runs.main, "--delete", "1ab", "--yes")
    assert code == 0
    assert not folder.parent.exists()
    assert seeds(typed) == [0, 2, 3]
    (back,) = [line for line in out.splitlines() if line.endswith("# gets it back")]
    os.system(back)
    assert seeds(typed) == [0, 1, 2, 3]
    seal.check_all(folder)


def test_a_run_named_twice_is_moved_once_and_not_out_of_the_bin(made, typed, monkeypatch):
    monkeypatch.chdir(made)
    folder = Path("digits-mlp-adam") / "lr0.01" / "seed1-1ababababa"
    code, out, _ = typed(runs.main, "--delete", folder, made / folder, "--yes")
    assert code == 0
    assert out.count("# gets it back") == 1
    (there,) = (made / ".bin").glob("*/*/*")
    code, _, err = typed(runs.main, "--delete", there, "--yes")
    assert (code, there.is_dir()) == (3, True)
    assert "is in the bin already" in err


def test_a_damaged_run_can_be_deleted_and_what_is_no_run_cannot(made, typed):
    folder = made / "digits-mlp-adam" / "lr0.01" / "seed1-1ababababa"
    (folder / "config.yaml").write_text("altered: true")
    assert typed(runs.main, "--delete", folder, "--yes")[0] == 0
    assert not folder.exists()
    code, _, err = typed(runs.main, "--delete", made, "--yes")
    assert (code, made.is_dir()) == (3, True)
    assert f"there is no {made / 'result.json'}: not a run's folder; encore runs lists the runs" in err
    code, _, err = typed(runs.main, "nowhere")
    assert (code, err) == (3, "error: there is no folder nowhere: name the one that holds the runs, as runs_dir does\n")


@pytest.mark.parametrize("name", ["runs", "compare", "card"])
def test_mistakes_are_answered_without_torch(made, name):
    answer = without_importing({"torch", "matplotlib"}, ROOT / "scripts" / f"{name}.py", ["nowhere"], made.parent)
    assert answer.returncode in (1, 3), answer.stderr
    assert "nowhere" in answer.stderr or "name two runs" in answer.stderr


def test_a_run_that_is_running_stays(made, typed):
    folder = made / "digits-mlp-adam" / "lr1" / "seed3-3ababababa"
    with held(folder):
        code, _, err = typed(runs.main, "--delete", "0ab", "1ab", folder, "--yes")
    assert (code, folder.is_dir()) == (75, True)
    assert "is being run by process" in err
    assert not (made / ".bin").exists()
    assert seeds(typed) == [0, 1, 2, 3]


def test_a_run_that_was_moved_meanwhile_is_told(made, typed, monkeypatch):
    folder = made / "digits-mlp-adam" / "lr0.01" / "seed1-1ababababa"
    agreed = disposal.say
    monkeypatch.setattr(disposal, "say", lambda text: (agreed(text), folder.is_dir() and folder.rename(made / "away")))
    code, _, err = typed(runs.main, "--delete", folder, "--yes")
    assert (code, folder.exists(), (made / "away").is_dir()) == (3, False, True)
    assert f"{folder} was moved or deleted meanwhile" in err


def test_checkpoints_are_freed_and_the_record_stays_and_says_so(made, typed):
    code, out, _ = typed(runs.main, "--keep-best", "1", "--yes")
    assert code == 0
    assert "freed 0.0 MB of 2 runs" in out
    kept = [file.parents[1].name for file in sorted(made.rglob("best.ckpt"))]
    assert kept == ["seed1-1ababababa", "seed3-3ababababa"]  # the best, and one that is not over
    freed = made / "digits-mlp-adam" / "lr0.1" / "seed2-2ababababa"
    seal.check_all(freed)
    assert Result.read(freed).metrics["test/accuracy"] == 0.8
    with pytest.raises(seal.Freed, match=r"checkpoints/best.ckpt freed on \d{4}-.*fresh=true trains the run again"):
        seal.check(freed, "checkpoints/best.ckpt")
    (freed / "config.yaml").write_text("seed: 1")
    with pytest.raises(seal.Altered, match=r"config.yaml was changed"):
        seal.check_all(freed)
    assert "there is nothing to free" in typed(runs.main, "--where", "status=running", "--keep-best", "0", "--yes")[1]


@pytest.mark.slow
def test_a_freed_run_is_still_the_result_and_cannot_be_evaluated(run, typed, tmp_path, monkeypatch):
    settings = {"trainer.max_epochs": 1, "logger": "csv"}
    done = run(settings)
    assert typed(runs.main, tmp_path / "runs", "--keep-best", "0", "--yes")[0] == 0
    code, _, err = typed(evaluate.main, done.folder)
    assert code == 3
    assert "freed on" in err
    assert run(settings).folder == done.folder
    longer = run({**settings, "trainer.max_epochs": 2})
    assert "where a shorter run ended" not in (longer.folder / "train.log").read_text()
