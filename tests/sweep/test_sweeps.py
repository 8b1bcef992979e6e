"""Sweeps: what they show, what they leave, what they survive, and who runs them."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from encore.config.compose import explain
from encore.sweep import job
from encore.sweep.launch import threads
from encore.sweep.place import place_of

QUICK = ["trainer=cpu", "trainer.max_epochs=1", "threads=1", "logger=none"]


def runs(tmp_path):
    """Every run's result, by what tells it from others."""
    found = {}
    for path in sorted((tmp_path / "runs").rglob("result.json")):
        result = json.loads(path.read_text())
        found[result["name"], result["seed"], result["fingerprint"]] = result
    return found


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def finished(tmp_path):
    return sum(result["status"] == "finished" for result in runs(tmp_path).values())


@pytest.mark.slow
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


@pytest.mark.slow
def test_where_the_flag_stands_is_all_the_same(command, tmp_path):
    answer = command("train.py", "seed=0,1", *QUICK, "--multirun", "--config-dir", str(tmp_path), fresh=True)
    assert answer.returncode == 0, answer.stderr
    assert "2/2" in answer.stdout


def test_a_sweep_without_its_flag_is_no_run(command, tmp_path):
    answer = command("train.py", "sweep=optimisers")
    assert answer.returncode == 1
    assert answer.stderr == "error: sweep=optimisers has several values for optim, seed: -m runs them all\n"


def test_what_a_sweep_cannot_be_is_said_before_its_first_run(sweep, tmp_path):
    for words, message in (
        (["seed=range(0)"], "the sweep has no runs"),
        (["seed=0,1", "hydra.sweeper.by=[optim.nam]"], "there is no setting optim.nam; did you mean optim.name?"),
        (["seed=0,1", "hydra.sweeper.params=foo"], "hydra.sweeper.params=foo: must be a mapping of settings"),
        (["model=mlp,foo"], "there is no model=foo"),
        (["seed=0,1", "hydra/launcher=foo"], "there is no hydra/launcher=foo"),
        (["seed=0,1", "runs_dir=/proc/nothing"], "cannot be made"),
    ):
        code, _, complained = sweep(*words, *QUICK)
        assert code == (74 if "runs_dir" in words[-1] else 1), words
        assert message in complained
        assert "Traceback" not in complained
    assert runs(tmp_path) == {}


def test_a_metric_that_no_run_has_is_said_and_replaced(sweep, tmp_path):
    code, said, complained = sweep("seed=0,1", "hydra.sweeper.metric=test/acuracy", *QUICK)
    assert code == 0
    assert "no run has test/acuracy; did you mean test/accuracy?: val/loss instead" in complained
    assert "val/loss over seeds" in said


def test_runs_of_a_sweep_may_have_runs_dirs_of_their_own(sweep, tmp_path):
    words = [f"runs_dir={tmp_path / 'a'},{tmp_path / 'b'}", "+vars.lr=0.01", "optim.lr=${vars.lr}"]
    code, said, _ = sweep(*words, *QUICK)
    assert code == 0
    assert "2/2" in said
    assert all(list((tmp_path / name).rglob("result.json")) for name in "ab")


@pytest.mark.slow
def test_two_of_the_same_sweep_share_its_runs(begin, tmp_path):
    words = ["seed=range(3)", *QUICK[:1], *QUICK[2:], "trainer.max_epochs=3"]
    both = [begin(*words) for _ in range(2)]
    for one in both:
        said, _ = one.communicate(timeout=300)
        assert one.returncode == 0, said
        assert "3/3" in said
    assert finished(tmp_path) == 3


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_processes_save_their_runs_before_they_end(begin, tmp_path, sent):
    words = [
        "seed=range(4)",
        *QUICK[:1],
        "trainer.max_epochs=100000",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
    ]
    told = begin(*words)
    wait_for(lambda: len(list((tmp_path / "runs").rglob("last.ckpt"))) == 2)
    told.send_signal(sent)
    said, _ = told.communicate(timeout=60)
    assert told.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130}[sent], said
    assert [result["status"] for result in runs(tmp_path).values()] == ["preempted"] * 2


BROKEN = """
from encore.models.mlp import MLP

class Net(MLP):
    passes = 0

    def forward(self, inputs):
        Net.passes += self.training
        if Net.passes > 9:
            raise EOFError("x")
        return super().forward(inputs)
"""


def test_an_error_that_nobody_foresaw_is_one_run_s_and_shown_whole(sweep, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    code, said, complained = sweep("model._target_=broken.Net,encore.models.mlp.MLP", *QUICK)
    assert code == 1
    assert "EOFError: x" in said
    assert "Traceback" in complained
    assert finished(tmp_path) == 1


def test_a_sweep_killed_in_the_middle_goes_on_with_what_is_missing(begin, sweep, tmp_path):
    words = ["seed=range(4)", "optim=sgd", "optim.lr=0.01", *QUICK[:1], *QUICK[2:], "trainer.max_epochs=30"]
    killed = begin(*words)
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


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_sweep_that_is_told_to_stop_stops_as_a_whole(begin, tmp_path, sent, code):
    told = begin("seed=range(3)", *QUICK[:1], "trainer.max_epochs=100000")
    wait_for(lambda: list((tmp_path / "runs").rglob("last.ckpt")))
    told.send_signal(sent)
    said, _ = told.communicate(timeout=60)
    assert told.returncode == code, said
    assert "Traceback" not in said
    assert [result["status"] for result in runs(tmp_path).values()] == ["preempted"]


@pytest.mark.slow
@pytest.mark.long
def test_several_processes_give_the_same_bits_as_one(begin, sweep, tmp_path):
    words = ["seed=range(2)", "optim=sgd,adam", *QUICK]
    assert sweep(*words, f"runs_dir={tmp_path / 'one' / 'runs'}")[0] == 0
    several = begin(*words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    said, _ = several.communicate(timeout=300)
    assert several.returncode == 0, said
    assert "4/4" in said
    bits = {key: result["weights_sha256"] for key, result in runs(tmp_path / "one").items()}
    assert len(bits) == 4
    assert {key: result["weights_sha256"] for key, result in runs(tmp_path).items()} == bits


@pytest.mark.parametrize(
    ("at_once", "share"), [({"n_jobs": 1}, 8), ({"n_jobs": 3}, 2), ({"n_jobs": 99}, 1), ({"n_jobs": -1}, 1), ({}, None)]
)
def test_each_of_several_processes_has_its_share_of_the_threads(monkeypatch, at_once, share):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("encore.sweep.launch.available_cores", lambda: 8)
    assert threads(OmegaConf.create(at_once)) == share


@pytest.mark.long
@pytest.mark.slow
def test_processes_share_the_threads(begin, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    words = [word for word in QUICK if word != "threads=1"]
    both = begin("seed=range(2)", *words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    said, _ = both.communicate(timeout=300)
    assert both.returncode == 0, said
    configs = [json.loads(path.read_text())["config"] for path in (tmp_path / "runs").rglob("manifest.json")]
    cores = len(os.sched_getaffinity(0))
    assert [config["threads"] for config in configs] == [max(1, cores // 2)] * 2


@pytest.mark.long
@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.long
def test_a_worker_that_dies_is_said_and_the_rest_goes_on_when_asked_again(begin, sweep, tmp_path, monkeypatch):
    (tmp_path / "deadly.py").write_text(DEADLY)
    words = ["seed=range(3)", "model._target_=deadly.Net", *QUICK]
    monkeypatch.syspath_prepend(tmp_path)
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    dead = begin(*words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", PYTHONPATH=path)
    said, _ = dead.communicate(timeout=300)
    assert dead.returncode == 1, said
    assert "the same command continues the run with what is missing" in said
    assert sweep(*words)[0] == 0
    assert finished(tmp_path) == 3


@pytest.mark.slow
@pytest.mark.long
def test_processes_save_their_runs_and_end_when_their_sweep_was_killed(begin, tmp_path):
    words = [*QUICK, "trainer.max_epochs=5000", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    killed = begin("seed=range(4)", *words)
    wait_for(lambda: len(list((tmp_path / "runs").rglob("manifest.json"))) == 2, seconds=240)
    killed.kill()
    killed.communicate(timeout=120)  # as long as one of them is there, its output has no end
    assert sorted({result["status"] for result in runs(tmp_path).values()}) == ["preempted"]


@pytest.mark.slow
def test_a_sweep_has_a_name_in_a_file(sweep, tmp_path):
    code, said, _ = sweep("sweep=optimisers", "seed=0,1", *QUICK)
    assert code == 0
    assert "14/14" in said  # seven optimisers, and the command line's seeds instead of the file's
    assert "optimisers-" in said.splitlines()[-1]


def test_the_same_sweep_has_the_same_folder():
    def folder(*task, hydra=(), name=None):
        words = {"overrides": {"task": list(task), "hydra": list(hydra)}, "runtime": {"choices": {"sweep": name}}}
        return place_of(OmegaConf.create({"hydra": {**words, "sweep": {"dir": "runs/sweeps"}}})).folder

    here = folder("sweep=optimisers", "seed=range(3)", name="optimisers")
    assert here.parent == Path("runs/sweeps")
    assert here.name.startswith("optimisers-")
    assert here == folder("seed=range(3)", "sweep=optimisers", name="optimisers")
    engines = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.mode=MULTIRUN", "hydra.sweeper.trials=9"]
    assert here == folder("sweep=optimisers", "seed=range(3)", hydra=engines, name="optimisers")
    assert here != folder("sweep=optimisers", "seed=range(4)", name="optimisers")
    assert folder("optim.lr=${vars.lr}") != folder("optim.lr=0.1")  # each run's config has it
    assert here != folder("sweep=optimisers", "seed=range(3)", hydra=["hydra.sweeper.sampler=tpe"], name="optimisers")


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
    assert explain(missing).endswith("uv pip install hydra-submitit-launcher")
    assert "did you mean joblib" in explain(ValueError("Could not find 'hydra/launcher/jobib'"))


def test_a_rate_is_not_varied_where_it_is_found(sweep, tmp_path):
    code, _, complained = sweep("callbacks=lr_finder", "optim.lr=0.1,0.2", *QUICK)
    assert code == 1
    assert "callbacks.lr_finder chooses it" in complained
    assert not runs(tmp_path)
