"""A run that is killed, at any moment and as often as you like, ends in the same bits as one that never was."""

import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from endings import EVERYTHING, SMALL, asked_to_stop, assert_same
from processes import begin_run

from encore.callbacks.checkpoints import Checkpoints
from encore.callbacks.losses import Losses
from encore.errors import Preempted
from encore.record.result import Result

# How often each run is killed; all of them take minutes.
KILLS = int(os.environ.get("ENCORE_KILLS", "3"))

OFTEN = {"callbacks.checkpoint.every_n_steps": 1, "callbacks.checkpoint.min_seconds_between": 0}


def folder_in(runs: Path) -> Path:
    return next(runs.rglob("result.json")).parent


def resumed(run: Callable[..., Result], settings: dict, tmp_path: Path) -> Result:
    """The same run, begun again whenever it was stopped."""
    for _ in range(50):
        try:
            return run(settings)
        except Preempted:
            assert Result.read(folder_in(tmp_path / "runs")).status == "preempted"
    raise AssertionError("it does not end")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("settings", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_a_run_stopped_within_an_epoch_and_at_its_end_ends_in_the_same_bits(run, tmp_path, monkeypatch, settings):
    settings = {**SMALL, **settings}
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    with asked_to_stop(monkeypatch, 2, 4):
        result = resumed(run, settings, tmp_path)
    assert_same(result.folder, reference.folder)


@pytest.mark.parametrize(
    "settings", [pytest.param(EVERYTHING[e], id=e, marks=() if e == "plain" else pytest.mark.slow) for e in EVERYTHING]
)
def test_a_run_stopped_after_every_step_ends_in_the_same_bits(run, tmp_path, monkeypatch, settings):
    settings = {**SMALL, **settings}
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    with asked_to_stop(monkeypatch, *range(1000)):
        result = resumed(run, settings, tmp_path)
    assert_same(result.folder, reference.folder)


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on_to_the_same_bits(run, tmp_path, monkeypatch):
    settings = {**SMALL, "trainer": "ddp", "trainer.devices": 2, "model.norm": "batch", "model.dropout": 0.3}
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    plain = Losses.add

    def stop(self, *args):
        plain(self, *args)
        if self.written + len(self.unseen) == 6:  # the first process is asked alone, in the midst of an epoch
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Losses, "add", stop)
        with pytest.raises(Preempted):
            run(settings)
    again = run(settings)
    # The ranks agree on a few steps at once, by the time that they take, and heed a signal after these.
    assert re.search("was stopped, after epoch (1, step [67]|2, step 8)", (again.folder / "train.log").read_text())
    assert_same(again.folder, reference.folder)


KILLED = {
    "mlp": {"model.norm": "batch", "model.dropout": 0.3, "augment": ["noise"], "scheduler": "one_cycle"},
    "cnn": {
        **{"model": "cnn", "optim": "momentum", "augment": ["flip_crop_small"], "data.batch_size": 128},
        **{"scheduler": "plateau", "scheduler.patience": 0, "trainer.accumulate_grad_batches": 2},
        **{"callbacks": "early_stopping", "callbacks.early_stopping.patience": 2},
    },
    "softmax": {"model": "softmax", "optim": "rmsprop", "data.resident": False, "data.num_workers": 1},
}


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("settings", KILLED.values(), ids=KILLED.keys())
def test_a_run_killed_at_random_moments_ends_in_the_same_bits(run, tmp_path, settings):
    settings = {**settings, **OFTEN, "threads": 1, "trainer.accelerator": "cpu", "trainer.max_epochs": 4}
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")}).folder
    draw, killed, rounds, went_on = random.Random(str(settings)), 0, 0, False
    while killed < KILLS:
        rounds += 1
        runs = tmp_path / f"runs{rounds}"
        code = None
        while code != 0:
            with begin_run({**settings, "runs_dir": str(runs)}) as process:
                if killed < KILLS:
                    if killed % 2:  # at any moment; every other time there is something to go on from
                        wait_for(lambda runs=runs: list(runs.rglob("last.ckpt")))
                    time.sleep(draw.uniform(0.05, 1.2))
                    process.kill()
                _, said = process.communicate()
            code = process.returncode
            assert code in (0, -signal.SIGKILL), said
            killed += code != 0
        folder = folder_in(runs)
        assert_same(folder, reference)
        went_on |= "where it was stopped" in (folder / "train.log").read_text()
    assert went_on


def test_many_short_epochs_write_few_checkpoints(run, monkeypatch):
    saves = []
    plain = Checkpoints.save
    monkeypatch.setattr(
        Checkpoints, "save", lambda self, *args: (saves.append(self.trainer.global_step), plain(self, *args))
    )
    result = run({"model": "softmax", "data.batch_size": 1258, "trainer.max_epochs": 150, "logger": "none"})
    assert saves[0] == 1  # an epoch
    assert len(saves) <= 3 + result.seconds / 5


def test_checkpoints_come_every_so_many_steps(run, monkeypatch):
    saves = []
    plain = Checkpoints.save
    monkeypatch.setattr(
        Checkpoints, "save", lambda self, *args: (saves.append(self.trainer.global_step), plain(self, *args))
    )
    settings = {"callbacks.checkpoint.every_n_steps": 7, "callbacks.checkpoint.min_seconds_between": 0}
    run({**settings, "trainer.max_epochs": 2})  # 20 steps each
    assert saves == [7, 14, 20, 21, 28, 35, 40]
