"""A sweep as a user types it, in this process."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture
def sweep(tmp_path, monkeypatch, capfd):
    """`sweep("seed=range(2)", …)`: exit code, what it printed, and what it complained of."""
    spec = importlib.util.spec_from_file_location("train_command", Path(__file__).parents[2] / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENCORE_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def go(*words):
        monkeypatch.setattr(sys, "argv", ["train.py", "-m", *words])
        capfd.readouterr()
        code = module.main()
        said = capfd.readouterr()
        return code, said.out, said.err

    return go
