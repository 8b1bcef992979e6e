"""A run is never answered with figures of other code, data or settings."""

import json
import os
import shutil

import pytest

NET = """
import torch
from torch import nn
{imports}

class Net(nn.Module):
    def __init__(self, in_shape, num_outputs, **settings):
        super().__init__()
        {body}
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, num_outputs))

    def forward(self, inputs):
        return self.net(inputs)
"""
WORDS = (
    "model._target_=mine.Net", "~model.widths", "~model.activation", "~model.dropout", "~model.norm", "~model.pool",
    "trainer.max_epochs=1", "threads=1", "trainer.accelerator=cpu",
)  # fmt: skip


@pytest.fixture
def train(command, tmp_path):
    """`train.py` with a net of the user's own, beside it."""

    def go(*words):
        return command(
            "train.py", *WORDS, *words, PYTHONPATH=f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        )

    return go


def write(folder, imports, body):
    (folder / "mine.py").write_text(NET.format(imports=imports, body=body))
    (folder / "blocks.py").write_text("WIDTH = 8\n")


def results(folder):
    return [json.loads(file.read_text()) for file in sorted(folder.glob("runs/**/result.json"))]


def test_a_module_that_the_model_imports_is_part_of_the_run(train, tmp_path):
    write(tmp_path, "import blocks", "width = blocks.WIDTH")
    assert train().returncode == 0
    assert "finished already" in train().stdout
    (tmp_path / "blocks.py").write_text("WIDTH = 12\n")
    again = train()
    assert "finished already" not in again.stdout
    assert len(results(tmp_path)) == 2


@pytest.mark.slow
def test_a_longer_run_does_not_go_on_from_one_of_other_code(train, tmp_path):
    write(tmp_path, "import blocks", "width = blocks.WIDTH")
    assert train().returncode == 0
    (tmp_path / "blocks.py").write_text("WIDTH = 12\n")
    longer = train("trainer.max_epochs=2")
    assert longer.returncode == 0
    assert "shorter run" not in longer.stdout


@pytest.mark.slow
def test_weights_that_are_loaded_count_by_their_contents(train, tmp_path):
    write(tmp_path, "", "width = len(open(settings['checkpoint']).read())")
    (tmp_path / "w.txt").write_text("12345678")
    assert train("+model.checkpoint=w.txt").returncode == 0
    (tmp_path / "w.txt").write_text("123456789")
    assert "finished already" not in train("+model.checkpoint=w.txt").stdout
    assert len(results(tmp_path)) == 2


def test_code_that_reading_cannot_see_is_named_and_the_run_done_again(train, tmp_path):
    write(tmp_path, "import importlib", "width = importlib.import_module('blo' + 'cks').WIDTH")
    first = train()
    assert first.returncode == 0
    assert "loaded in a way that reading the code does not show: blocks." in first.stdout
    assert "'code=[blocks]' covers it" in first.stdout
    (held,) = results(tmp_path)
    assert list(held["undeclared"]) == ["blocks"]
    (tmp_path / "blocks.py").write_text("WIDTH = 12\n")
    again = train()
    assert again.returncode == 0
    assert "finished already" not in again.stdout
    (now,) = results(tmp_path)
    assert now["weights_sha256"] != held["weights_sha256"]
    longer = train("trainer.max_epochs=2")
    assert "shorter run" not in longer.stdout


@pytest.mark.slow
def test_once_declared_it_is_part_of_the_run(train, tmp_path):
    write(tmp_path, "import importlib", "width = importlib.import_module('blo' + 'cks').WIDTH")
    first = train("code=[blocks]")
    assert first.returncode == 0
    assert "reading the code" not in first.stdout
    assert "finished already" in train("code=[blocks]").stdout
    (tmp_path / "blocks.py").write_text("WIDTH = 12\n")
    assert "finished already" not in train("code=[blocks]").stdout


def test_what_is_declared_has_to_be_there(train, tmp_path):
    write(tmp_path, "", "width = 8")
    missing = train("code=[blcoks]")
    assert missing.returncode == 1
    assert "there is no module, file or folder 'blcoks'" in missing.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_folder_under_another_runs_name_is_not_that_run(train, tmp_path):
    write(tmp_path, "", "width = 8")
    assert train().returncode == 0
    (folder,) = (file.parent for file in tmp_path.glob("runs/**/result.json"))
    assert train("optim.lr=0.5").returncode == 0
    other = next(file.parent for file in tmp_path.glob("runs/**/result.json") if file.parent != folder)
    shutil.rmtree(other)
    folder.rename(other)
    answer = train("optim.lr=0.5")
    assert answer.returncode == 3
    assert "holds a different run than its name says" in answer.stderr


@pytest.mark.slow
def test_an_attempt_under_other_code_is_not_gone_on_with(train, tmp_path):
    write(tmp_path, "import importlib", "width = importlib.import_module('blo' + 'cks').WIDTH")
    assert train().returncode == 0
    (result,) = tmp_path.glob("runs/**/result.json")
    held = json.loads(result.read_text())
    stopped = {"status": "preempted", "undeclared": {}, "metrics": {}, "weights_sha256": None}
    result.write_text(json.dumps({**held, **stopped}))
    (tmp_path / "blocks.py").write_text("WIDTH = 12\n")
    again = train()
    assert again.returncode == 0
    assert "where it was stopped" not in again.stdout
    (now,) = results(tmp_path)
    assert now["weights_sha256"] != held["weights_sha256"]


def test_what_an_earlier_run_of_the_process_loaded_may_be_a_later_ones(run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "chooser.py").write_text(
        "import importlib\nfrom torch import nn\n"
        "def net(part): return nn.Sequential(nn.Flatten(), nn.Linear(64, importlib.import_module(part).WIDTH))\n"
    )
    (tmp_path / "chosen_here.py").write_text("WIDTH = 10\n")
    (tmp_path / "by_the_notebook.py").write_text("X = 1\n")
    small = {"trainer.max_epochs": 1, "model.name": "own"}
    mine = {**small, "model": "none", "+model._target_": "chooser.net", "+model.part": "chosen_here"}
    assert list(run(mine).undeclared) == ["chosen_here"]
    __import__("by_the_notebook")  # between two runs, and of neither
    assert list(run({**mine, "seed": 1}).undeclared) == ["chosen_here"]
    assert run({"trainer.max_epochs": 1}).undeclared == {}
