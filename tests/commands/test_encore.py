"""The command `encore`: every script is one of its commands, and it answers at once."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT
from processes import finish

from encore.__main__ import ELSEWHERE, about, commands, listed

# Scripts whose command has another name.
NAMES = {"new_project": "new"}


def encore(*words, **settings):
    return finish("-m", "encore", *words, **settings)


def test_every_script_is_a_command_and_every_command_a_script():
    of_the_engine = [file for file in (ROOT / "scripts").glob("*.py") if "from course" not in file.read_text()]
    scripts = {NAMES.get(file.stem, file.stem) for file in of_the_engine}
    assert scripts - ELSEWHERE.keys() == set(commands()) - {"train"}


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_it_lists_them_all_without_importing_what_takes_time(words):
    program = (
        "import sys\n"
        f"sys.argv = ['encore', *{words!r}]\n"
        "from encore.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n    assert not {'torch', 'numpy', 'hydra', 'yaml', 'pandas'} & set(sys.modules)\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr, answer.stdout) == (0, "", listed())
    for name in commands():
        assert f"  {name} " in listed()
        assert about(ROOT / "src" / "encore" / "commands" / f"{name}.py")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evalaute"], "there is no command evalaute; did you mean evaluate?"),
        (["frobnicate"], "there is no command frobnicate (encore --help lists them)"),
        (["benchmark"], "python scripts/benchmark.py"),
        (["__init__"], "there is no command"),
        (["../config/help"], "there is no command"),
        (["train", "train=False"], "encore evaluate RUN"),
        (["train", "optim.lrr=1"], "did you mean optim.lr?"),
    ],
)
def test_a_mistake_is_answered_in_a_line(words, message, tmp_path):
    answer = encore(*words, cwd=tmp_path)
    assert answer.returncode == 1
    assert message in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_command_calls_itself_as_it_was_called(tmp_path):
    assert "usage: encore fetch_data" in encore("fetch-data", "--help", cwd=tmp_path).stdout
    assert "  encore train model=mlp" in encore("train", "--help", cwd=tmp_path).stdout
    assert encore("--version", cwd=tmp_path).stdout.startswith("encore ")


def test_a_run_is_the_same_run_by_either_door(command, tmp_path):
    words = ["trainer=cpu", "trainer.max_epochs=1", "logger=none", "threads=1"]
    environment = {**os.environ, "ENCORE_RUNS_DIR": str(tmp_path / "runs")}
    first = encore("train", *words, cwd=tmp_path, env=environment)
    assert first.returncode == 0, first.stderr
    manifest = next((tmp_path / "runs").rglob("manifest.json")).read_text()
    assert '"trainer.max_epochs=1"' in manifest
    assert "finished already" in command("train.py", *words).stdout
    assert "digits-mlp-adam" in encore("runs", cwd=tmp_path, env=environment).stdout
