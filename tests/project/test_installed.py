"""The wheel in an empty folder, and a project made by it: nothing of this repository is read."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from conftest import ROOT

UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(UV is None or shutil.which("make") is None, reason="needs uv and make"),
]

# Where these tests were begun by `make test-all ARGS=…`, a project's own make would take its words for its own.
NOT_THEIRS = ("PYTHONPATH", "ENCORE_RUNS_DIR", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "ARGS")
SHORT = "trainer=cpu trainer.max_epochs=1 threads=1"


def go(*words, cwd, code=0, **environment):
    """Run a command as somebody does who has the wheel alone; returns what it printed."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_THEIRS}
    answer = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**kept, "OMP_NUM_THREADS": "1", **environment},
    )
    assert answer.returncode == code, f"{answer.stdout}\n{answer.stderr}"
    return answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    """An environment with the wheel, which finds all other packages where they are; built without a network.

    Without hatchling here, uv fetches it.
    """
    folder = tmp_path_factory.mktemp("built")
    here = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    go(UV, "build", "--wheel", "--python", sys.executable, *here, "--out-dir", folder, ROOT, cwd=folder)
    venv = folder / "venv"
    go(UV, "venv", "--python", sys.executable, venv, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    go(UV, "pip", "install", "--offline", "--no-deps", "--python", venv / "bin" / "python", wheel, cwd=folder)
    site = next((venv / "lib").glob("python*/site-packages"))
    # Its .pth files are not read there, so that an editable Encore is not found.
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (venv / "bin" / "uv").symlink_to(UV)
    return venv


@pytest.fixture(scope="module")
def project(venv, tmp_path_factory):
    """A project that is made by the wheel, and has its environment."""
    empty = tmp_path_factory.mktemp("empty")
    go(venv / "bin" / "encore", "new", "my-study", cwd=empty)
    project = empty / "my-study"
    (project / ".venv").symlink_to(venv)
    (venv / ".ready").touch()
    return project


def test_the_wheel_trains_from_an_empty_folder(venv, tmp_path):
    encore = venv / "bin" / "encore"
    where = go(venv / "bin" / "python", "-c", "import encore; print(encore.__file__)", cwd=tmp_path)
    assert where.startswith(str(venv))
    assert "No module named 'course'" in go(venv / "bin" / "python", "-c", "import course", cwd=tmp_path, code=1)
    assert "imdb" not in go(encore, "train", "--help", cwd=tmp_path)
    assert "model=wide_resnet" in go(encore, "train", "--help", cwd=tmp_path)
    go(encore, "train", *SHORT.split(), cwd=tmp_path)
    (run,) = (file.parent for file in (tmp_path / "runs").rglob("result.json"))
    assert "digits-mlp-adam" in go(encore, "runs", cwd=tmp_path)
    assert "bit for bit" in go(encore, "evaluate", run, cwd=tmp_path)
    assert "REPRODUCED bit for bit" in go(encore, "reproduce", run, cwd=tmp_path)
    assert "did you mean mlp?" in go(encore, "train", "model=mpl", cwd=tmp_path, code=1)


def test_a_project_s_first_two_commands(project):
    assert "spirals-net-adam" in go("make", "train", f"ARGS={SHORT}", cwd=project)
    assert "passed" in go("make", "test", cwd=project)


def test_a_project_s_code_is_clean(project):
    python = Path(".venv") / "bin" / "python"
    for tool in (["ruff", "format", "--check", "."], ["ruff", "check", "."], ["mypy"]):
        go(python, "-m", *tool, cwd=project)


def test_a_project_s_runs_are_known_to_every_command(project):
    encore = Path(".venv") / "bin" / "encore"
    go("make", "train", f"ARGS={SHORT} seed=5", cwd=project)
    (run,) = (project / "runs").glob("spirals-net-adam/**/seed5-*")
    assert "bit for bit" in go(encore, "evaluate", run, cwd=project)
    assert "REPRODUCED bit for bit" in go(encore, "reproduce", run, cwd=project)
    go(encore, "draw", run, "--out", "regions.png", cwd=project)
    go(encore, "train", "-m", "seed=6,7", "hydra/launcher=joblib", *SHORT.split(), cwd=project)
    assert len(list((project / "runs").glob("spirals-net-adam/**/seed[67]-*"))) == 2
    assert "test/accuracy" in go(encore, "report", "runs", cwd=project)
    below = project / "configs" / "model"
    assert "finished already" in go(
        project / ".venv" / "bin" / "encore",
        "train",
        *SHORT.split(),
        "seed=5",
        f"runs_dir={project / 'runs'}",
        cwd=below,
    )
    elsewhere = go(
        project / ".venv" / "bin" / "python", project / "train.py", "--cfg", "job", "-p", "model", cwd=project.parent
    )
    assert "my_study.model.Net" in elsewhere


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_project_s_run_is_reproduced_from_its_commit_though_the_code_has_changed(project, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(project, place, symlinks=True, ignore=shutil.ignore_patterns("runs", "report"))
    encore, people = place / ".venv" / "bin" / "encore", ("-c", "user.name=a", "-c", "user.email=a@b.example")
    for words in (["init", "-q"], ["add", "-A"], [*people, "commit", "-qm", "first"]):
        go("git", *words, cwd=place, GIT_CONFIG_GLOBAL=os.devnull)
    go(encore, "train", *SHORT.split(), cwd=place)
    (run,) = (file.parent for file in (place / "runs").rglob("result.json"))
    assert '"dirty": false' in (run / "manifest.json").read_text()
    model = place / "src" / "my_study" / "model.py"
    model.write_text(model.read_text().replace("nn.Tanh", "nn.ReLU"))
    assert "the code has changed since" in go(encore, "reproduce", run, cwd=place, code=3)
    assert "REPRODUCED bit for bit" in go(encore, "reproduce", run, "--run-recorded-code", cwd=place)
