"""A run that is killed, at any moment and as often as you like, ends in the same bits as one that never was."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from endings import EVERYTHING, SMALL, assert_same

from encore.errors import Preempted
from encore.record.checkpoints import Checkpoints
from encore.record.losses import Losses
from encore.record.result import Result

# How often each run is killed; all of them take minutes.
KILLS = int(os.environ.get("ENCORE_KILLS", "3"))

OFTEN = {"callbacks.checkpoint.every_n_steps": 1, "callbacks.checkpoint.min_seconds_between": 0}


class Zygote:
    """Starts runs, each in a process of its own."""

    def __init__(self, errors: Path) -> None:
        self.errors = errors
        with errors.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("zygote.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def start(self, overrides: dict) -> int:
        """The number of the run's process."""
        self.process.stdin.write(json.dumps(overrides) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> int:
        """What it says next: after a run's number its exit code."""
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()
        return int(line)

    def run(self, overrides: dict) -> None:
        """A run that is left alone."""
        self.start(overrides)
        code = self.answer()
        assert code == 0, self.errors.read_text()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture(scope="module")
def zygote(tmp_path_factory):
    made = Zygote(tmp_path_factory.mktemp("zygote") / "errors")
    yield made
    made.close()


def folder_in(runs: Path) -> Path:
    return next(runs.rglob("result.json")).parent


@pytest.mark.parametrize("settings", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_a_run_stopped_after_every_step_ends_in_the_same_bits(run, tmp_path, monkeypatch, settings):
    settings = {**SMALL, **settings}
    reference = run({**settings, "runs_dir": str(tmp_path / "reference")})
    plain = Losses.add

    def stop_after(self, *args):
        plain(self, *args)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Losses, "add", stop_after)
    for _ in range(50):
        try:
            result = run(settings)
            break
        except Preempted:
            assert Result.read(folder_in(tmp_path / "runs")).status == "preempted"
    assert_same(result.folder, reference.folder)


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
    assert "after epoch 1, step 6" in (again.folder / "train.log").read_text()
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


@pytest.mark.parametrize("settings", KILLED.values(), ids=KILLED.keys())
def test_a_run_killed_at_random_moments_ends_in_the_same_bits(zygote, tmp_path, settings):
    settings = {**settings, **OFTEN, "threads": 1, "trainer.accelerator": "cpu", "trainer.max_epochs": 4}
    zygote.run({**settings, "runs_dir": str(tmp_path / "reference")})
    reference = folder_in(tmp_path / "reference")
    draw, killed, rounds, went_on = random.Random(str(settings)), 0, 0, False
    while killed < KILLS:
        rounds += 1
        runs = tmp_path / f"runs{rounds}"
        code = None
        while code != 0:
            process = zygote.start({**settings, "runs_dir": str(runs)})
            if killed < KILLS:
                if killed % 2:  # at any moment; every other time there is something to go on from
                    wait_for(lambda runs=runs: list(runs.rglob("last.ckpt")))
                time.sleep(draw.uniform(0.05, 1.2))
                with suppress(ProcessLookupError):  # it was faster
                    os.kill(process, signal.SIGKILL)
            code = zygote.answer()
            assert code in (0, -signal.SIGKILL), zygote.errors.read_text()
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
