"""The sweep from one dataset to another, and its picture."""

import shutil

import pytest

from encore.config.compose import config_from
from encore.errors import InputError


def started(start, seed=0):
    return config_from(["sweep=transfer", f"vars.start={start}", f"seed={seed}", "data=fashion_mnist"])


def test_each_start_is_made_of_the_run_of_the_same_seed(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"init_from=runs/transfer_sources/mnist-strided-adam/seed3- is not there"):
        started("all", 3)
    one = run({"data": "digits", "model": "strided", "trainer.max_epochs": 1, "data.fraction": 0.1}).folder
    for seed in (3, 33):
        shutil.copytree(one, tmp_path / f"runs/transfer_sources/mnist-strided-adam/seed{seed}-0123456789")
    assert started("nothing")["init_from"] is None
    assert started("all", 3)["init_from"].endswith("mnist-strided-adam/seed3-0123456789/checkpoints/best.ckpt")
    assert started("head", 33)["fine_tune"] == {"new": "head", "trained": 1}


@pytest.mark.slow
def test_a_picture_shows_a_line_for_each_start(run, command, tmp_path):
    small = {"data": "digits", "model": "softmax", "trainer.max_epochs": 1, "runs_dir": str(tmp_path / "runs")}
    for start, seed in (("nothing", 0), ("nothing", 1), ("all", 0)):
        for fraction in (0.1, 0.3):
            run({**small, "seed": seed, "data.fraction": fraction, "+vars.start": start})
    answer = command("scripts/transfer.py", "runs", "--out", "t.svg")
    assert answer.returncode == 0, answer.stderr
    drawn = (tmp_path / "t.svg").read_text()
    for words in ("from nothing", "all layers trained on", "training examples", "digits"):
        assert f"<!-- {words} -->" in drawn
    assert "frozen body" not in drawn
    answer = command("scripts/transfer.py", "runs", "--by", "vars.begin")
    assert (answer.returncode, "vars.begin is not a setting" in answer.stderr) == (1, True)
