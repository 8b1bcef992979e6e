"""`encore doctor`: what is found of the environment, and what mends it."""

import sys
from collections import namedtuple

import pytest
from conftest import ROOT, without_importing

from encore.commands import doctor
from encore.project import health

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(health.places, "root", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCORE_RUNS_DIR", "runs")
    return tmp_path


def found(check):
    return [(finding.level, finding.words, finding.remedy or "") for finding in check()]


def lock(place, *lines):
    (place / "requirements.lock").write_text("".join(f"{line} \\\n    --hash=sha256:{'0' * 64}\n" for line in lines))


def test_versions_are_compared_with_the_lock(place):
    lock(place, "numpy==1.0", f"pytest=={pytest.__version__}", "colorama==99 ; sys_platform == 'win32'", "no-such==1")
    (missing, others) = found(health.packages)
    assert missing[:2] == ("problem", f"missing: no-such ({place / 'requirements.lock'})")
    assert others[0] == "warning"
    assert "other versions: numpy " in others[1]
    assert "make train" in others[2]
    lock(place, f"pytest=={pytest.__version__}")
    assert found(health.packages) == [("ok", f"1 packages as in {place / 'requirements.lock'}", "")]


def test_without_a_lock_they_are_compared_with_what_the_package_asks_for(place):
    ((level, words, _),) = found(health.packages)
    assert (level, words.partition(" packages as in ")[2]) == ("ok", "what the encore package asks for")


@pytest.mark.parametrize(("free", "level"), [(1e8, "problem"), (1e9, "warning"), (1e12, "ok")])
def test_a_disk_has_room_or_not(place, monkeypatch, free, level):
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: Usage(1e12, 0, free))
    levels = {each[0] for each in found(health.disk)}
    assert levels == {level}


def test_a_file_where_runs_go_is_told(place, monkeypatch):
    (place / "runs").write_text("")
    monkeypatch.setenv("ENCORE_RUNS_DIR", "runs/below")
    level, words, remedy = found(health.disk)[0]
    assert (level, words) == ("problem", f"runs_dir=runs/below: {place / 'runs'} is a file")
    assert remedy == "runs_dir=… puts them elsewhere"


@pytest.mark.parametrize(("wanted", "level"), [(None, "ok"), ("1", "ok"), ("4096", "warning"), ("many", "warning")])
def test_threads_are_at_most_the_cores(monkeypatch, wanted, level):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wanted:
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert found(health.threads)[0][0] == level


def test_a_driver_without_a_gpu_for_torch_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(health, "cuda_devices", lambda: 0)
    monkeypatch.setattr(health, "apple_gpu", lambda: False)
    monkeypatch.setattr(health, "torch_build", lambda: "2.15.0+cpu")
    monkeypatch.setattr(health, "DRIVER", tmp_path)
    assert found(health.gpu) == [
        ("warning", "there is an NVIDIA driver, and torch 2.15.0+cpu sees no GPU",
         "install a build of torch for CUDA: pytorch.org/get-started"),
    ]  # fmt: skip


def test_a_project_without_a_commit_is_told(place):
    assert found(health.git)[0][0] == "warning"


def test_the_exit_code_is_1_where_there_is_a_problem(place, typed):
    lock(place, "no-such==1")
    code, out, _ = typed(doctor.main, "packages", "threads")
    assert code == 1
    assert out.startswith("problem  packages     missing: no-such")
    assert typed(doctor.main, "threads")[0] == 0
    code, _, err = typed(doctor.main, "hreads")
    assert code == 1
    assert "there is no check hreads" in err


def test_it_imports_no_torch(tmp_path):
    script = ROOT / "scripts" / "doctor.py"
    answer = without_importing({"torch", "pytorch_lightning"}, script, ["python", "gpu", "disk", "threads"], tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.slow
def test_tensorboard_starts_and_a_run_works_or_is_told_not_to(monkeypatch, tmp_path):
    assert [each[0] for check in (health.tensorboard, health.run) for each in found(check)] == ["ok", "ok"]
    monkeypatch.setenv("ENCORE_CONFIGS", str(tmp_path / "none"))
    ((level, words, _),) = found(health.run)
    assert (level, "exit code 1" in words) == ("problem", True)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert found(health.tensorboard)[0][0] == "problem"
