"""Batch sizes are tried until one does not fit, and nothing is left of it."""

import sys

import pytest
from conftest import ROOT, without_importing

from encore.commands import find_batch_size
from encore.errors import ConfigError
from encore.runner import batch_sizes

WORDS = ["data=digits", "model=softmax", "threads=1", "trainer=cpu", "--steps", "2", "--first", "64"]


@pytest.fixture
def find(tmp_path, monkeypatch, capsys):
    def go(*words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["find_batch_size.py", *WORDS, *words])
        find_batch_size.main()
        assert list(tmp_path.iterdir()) == []
        return [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:-1]]

    return go


def test_sizes_are_doubled_up_to_the_number_of_examples(find):
    assert find("data.fraction=0.2", "--most", "1000") == ["64", "128"]  # of 252 examples


def test_the_last_one_that_fits_is_named(find, monkeypatch):
    plain = batch_sizes.fit

    def fit(cfg, *others):
        if cfg["data"]["batch_size"] >= 256:
            raise ConfigError("training cannot begin") from RuntimeError("CUDA out of memory. Tried to allocate")
        plain(cfg, *others)

    monkeypatch.setattr(batch_sizes, "fit", fit)
    assert find() == ["64", "128"]
    with pytest.raises(ConfigError, match="a batch of 256 does not fit into memory"):
        find("--first", "256")


@pytest.mark.slow
def test_a_callback_that_belongs_to_the_steps_is_there(find):
    pytest.importorskip("schedulefree")
    assert find("optim=schedule_free", "--most", "64") == ["64"]


def test_a_mistake_is_answered_without_torch(tmp_path):
    answer = without_importing({"torch", "numpy"}, ROOT / "scripts/find_batch_size.py", ["optim.lrr=1"], tmp_path)
    assert answer.returncode == 1
    assert "did you mean optim.lr?" in answer.stderr
