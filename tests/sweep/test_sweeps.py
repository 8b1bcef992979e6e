"""Sweeps: what they show, what they leave, what they survive, and who runs them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from encore.compose import explain
from encore.sweep import job
from encore.sweep.place import folder_word

QUICK = ["trainer=cpu", "trainer.max_epochs=1", "threads=1", "logger=none"]


def runs(tmp_path):
    """Every run's result, by what tells it from others."""
    found = {}
    for path in sorted((tmp_path / "runs").rglob("result.json")):
        result = json.loads(path.read_text())
        found[result["name"], result["seed"], result["fingerprint"]] = result
    return found


def begin(tmp_path, *words, **environment):
    """A sweep in a process of its own, with those that it begins in one group."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "-m", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "ENCORE_RUNS_DIR": str(tmp_path / "runs"), **environment},
    )


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def finished(tmp_path):
    return sum(result["status"] == "finished" for result in runs(tmp_path).values())


def test_a_sweep_shows_a_line_a_run_and_then_its_report(sweep, tmp_path):
    code, said, complained = sweep("seed=range(2)", "optim=sgd,adam", *QUICK)
    assert (code, complained) == (0, "")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["1/4", "2/4", "3/4", "4/4"]
    assert all("val/loss" in line and "test/accuracy" in line for line in lines[:4])
    assert "test/accuracy over seeds" in lines
    report = Path(lines[-1])
    assert report.name == "report.html"
    assert "adam" in report.read_text()
    assert sum(line.startswith("digits") or "epoch" in line for line in lines) == 0  # runs are silent

    before = runs(tmp_path)
    code, said, _ = sweep("seed=range(2)", "optim=sgd,adam", *QUICK)
    assert code == 0
    assert said.count("finished before") == 4
    assert Path(said.splitlines()[-1]) == report  # the same sweep has the same folder
    assert runs(tmp_path) == before


def test_a_sweep_with_runs_that_diverge_and_fail_goes_on_and_lists_them(sweep, tmp_path):
    code, said, complained = sweep("optim.lr=abc,1e30,0.1", "optim=sgd", "data.batch_size=64,5000", *QUICK)
    assert code == 5  # the worst of its runs'
    assert "Traceback" not in complained
    assert said.count("failed: optim.lr=abc: must be a number") >= 2
    assert said.count("failed: data.batch_size=5000 is more than the 1258 training examples") >= 2
    assert "diverged: the loss is nan" in said
    assert "optim.lr=0.1 data.batch_size=64" in said
    text = next((tmp_path / "runs" / "sweeps").rglob("report.md")).read_text()
    listed = text.partition("## Without a value")[2]
    for reason in ("diverged", "optim.lr=abc", "data.batch", "5000"):
        assert reason in listed


def test_an_error_that_nobody_foresaw_is_one_run_s_and_shown_whole(sweep, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("def net(**settings):\n    raise EOFError('x')\n")
    monkeypatch.syspath_prepend(tmp_path)
    code, said, complained = sweep("model._target_=broken.net,encore.models.mlp.MLP", *QUICK)
    assert code == 1
    assert "EOFError: x" in said
    assert "Traceback" in complained
    assert finished(tmp_path) == 1


def test_a_sweep_killed_in_the_middle_goes_on_with_what_is_missing(sweep, tmp_path):
    words = ["seed=range(4)", "optim=sgd", "optim.lr=0.01", *QUICK[:1], *QUICK[2:], "trainer.max_epochs=30"]
    killed = begin(tmp_path, *words)
    wait_for(lambda: finished(tmp_path) >= 2)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    done = {key: result for key, result in runs(tmp_path).items() if result["status"] == "finished"}
    assert 2 <= len(done) < 4
    code, said, _ = sweep(*words)
    assert code == 0
    assert said.count("finished before") == len(done)
    after = runs(tmp_path)
    assert finished(tmp_path) == len(after) == 4
    assert {key: after[key] for key in done} == done  # not one of them was run again
    code, _, _ = sweep(*words, f"runs_dir={tmp_path / 'whole' / 'runs'}")
    whole = {key: result["weights_sha256"] for key, result in runs(tmp_path / "whole").items()}
    assert {key: result["weights_sha256"] for key, result in after.items()} == whole


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_sweep_that_is_told_to_stop_stops_as_a_whole(tmp_path, sent, code):
    told = begin(tmp_path, "seed=range(3)", *QUICK[:1], "trainer.max_epochs=100000")
    wait_for(lambda: list((tmp_path / "runs").rglob("last.ckpt")))
    told.send_signal(sent)
    said, _ = told.communicate(timeout=60)
    assert told.returncode == code, said
    assert "Traceback" not in said
    assert [result["status"] for result in runs(tmp_path).values()] == ["preempted"]


def test_several_processes_give_the_same_bits_as_one(sweep, tmp_path):
    words = ["seed=range(2)", "optim=sgd,adam", *QUICK]
    assert sweep(*words, f"runs_dir={tmp_path / 'one' / 'runs'}")[0] == 0
    several = begin(tmp_path, *words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    said, _ = several.communicate(timeout=300)
    assert several.returncode == 0, said
    assert "4/4" in said
    bits = {key: result["weights_sha256"] for key, result in runs(tmp_path / "one").items()}
    assert len(bits) == 4
    assert {key: result["weights_sha256"] for key, result in runs(tmp_path).items()} == bits


def test_processes_share_the_threads(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    words = [word for word in QUICK if word != "threads=1"]
    both = begin(tmp_path, "seed=range(2)", *words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    said, _ = both.communicate(timeout=300)
    assert both.returncode == 0, said
    configs = [json.loads(path.read_text())["config"] for path in (tmp_path / "runs").rglob("manifest.json")]
    cores = len(os.sched_getaffinity(0))
    assert [config["threads"] for config in configs] == [max(1, cores // 2)] * 2


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("submitit", ["hydra/launcher=submitit_local"]),
        ("ray", ["hydra/launcher=ray", "hydra.launcher.init.num_cpus=2"]),
    ],
)
def test_other_engines_run_a_sweep(command, tmp_path, package, words):
    pytest.importorskip(package)
    answer = command("train.py", "-m", "optim=sgd,adam", "optim.lr=0.1,1e30", *QUICK, *words)
    assert answer.returncode == 5, answer.stderr
    assert "Traceback" not in answer.stderr
    assert sorted(result["status"] for result in runs(tmp_path).values()) == ["diverged"] * 2 + ["finished"] * 2
    assert "4/4" in answer.stdout
    assert "report.html" in answer.stdout


DEADLY = """
import os
from pathlib import Path

from encore.models.mlp import MLP


class Net(MLP):
    def __init__(self, **settings):
        super().__init__(**settings)
        if not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), 9)
"""


def test_a_worker_that_dies_is_said_and_the_rest_goes_on_when_asked_again(tmp_path):
    (tmp_path / "deadly.py").write_text(DEADLY)
    words = ["seed=range(3)", "model._target_=deadly.Net", *QUICK, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    dead = begin(tmp_path, *words, PYTHONPATH=str(tmp_path))
    said, _ = dead.communicate(timeout=300)
    assert dead.returncode == 1, said
    assert "the same command goes on with what is missing" in said
    again = begin(tmp_path, *words, PYTHONPATH=str(tmp_path))
    said, _ = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert finished(tmp_path) == 3


def test_a_sweep_has_a_name_in_a_file(sweep, tmp_path):
    code, said, _ = sweep("sweep=optimisers", "seed=0,1", *QUICK)
    assert code == 0
    assert "14/14" in said  # seven optimisers, and the command line's seeds instead of the file's
    assert "optimisers-" in said.splitlines()[-1]


def test_a_sweep_s_folder_depends_on_what_it_runs_alone():
    words = ["-m", "sweep=optimisers", "seed=range(3)"]
    here = folder_word(words).partition("/processes")[0]
    assert here.startswith("hydra.sweep.dir=${runs_dir}/sweeps/optimisers-")
    assert folder_word([*words, "hydra/launcher=joblib"]).startswith(here)
    assert folder_word(["--multirun", *reversed(words[1:])]).startswith(here)
    assert not folder_word([*words, "optim.lr=1"]).startswith(here)


def test_each_process_has_a_gpu_of_its_own(tmp_path, monkeypatch):
    given = []
    for _ in range(3):
        monkeypatch.setenv(job.GPUS, "2,5")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        job.take_gpu(tmp_path)
        given.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert given == ["2", "5", "2"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv(job.GPUS, "0")
    job.take_gpu(tmp_path)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    job.held_here.close()


def test_a_launcher_that_is_not_there_says_how_to_get_it():
    missing = ValueError("Could not find 'hydra/launcher/submitit_slurm'")
    assert explain(missing).endswith("uv pip install --editable '.[submitit]'")
    assert "did you mean joblib" in explain(ValueError("Could not find 'hydra/launcher/jobib'"))
