"""What goes wrong on real machines: every fault has a named outcome, and nothing that is whole is lost."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from encore.errors import Busy, CannotWrite, InputError, Preempted
from encore.record import checkpoints
from encore.record.checkpoint_files import digests, load
from encore.record.losses import Losses
from encore.record.result import Result

ROOT = Path(__file__).parents[1]
SETTINGS = {"data.fraction": 0.2, "trainer.max_epochs": 3, "trainer.log_every_n_steps": 2}  # 4 steps an epoch
FINAL = ("weights_sha256", "losses_sha256", "metrics", "best", "monitored", "epochs", "steps")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, locks and links of POSIX")


def folder_in(runs: Path) -> Path:
    return next(runs.rglob("result.json")).parent


def final(result: Result) -> dict:
    return {name: getattr(result, name) for name in FINAL}


@pytest.fixture
def stopped(run, tmp_path, monkeypatch):
    """A run that was stopped after five steps and again after six: its folder."""

    def make(**settings):
        plain = Losses.on_train_batch_end

        def stop(self, *args):
            plain(self, *args)
            if self.written + len(self.unseen) in (5, 6):
                signal.raise_signal(signal.SIGTERM)

        with monkeypatch.context() as patch:
            patch.setattr(Losses, "on_train_batch_end", stop)
            for _ in range(2):
                with pytest.raises(Preempted):
                    run({**SETTINGS, **settings})
        return folder_in(tmp_path / "runs")

    return make


def harmed(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    if how == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        file.write_bytes(b"")
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content)


@pytest.mark.parametrize("how", ["truncated", "empty", "bit flipped"])
def test_a_bad_checkpoint_is_named_and_the_one_before_is_used(run, stopped, tmp_path, capsys, how):
    folder = stopped()
    last = folder / "checkpoints" / "last.ckpt"
    expected = hashlib.sha256(last.read_bytes()).hexdigest()
    harmed(last, how)
    actual = hashlib.sha256(last.read_bytes()).hexdigest()
    again = run(SETTINGS)
    said = capsys.readouterr().out
    assert f"last.ckpt is truncated or altered: its SHA-256 is {actual}, not {expected}" in said
    assert "where it was stopped, after epoch 1, step 5" in said
    assert final(again) == final(run({**SETTINGS, "runs_dir": str(tmp_path / "whole")}))


@pytest.mark.parametrize("gone", [False, True])
def test_without_a_good_checkpoint_nothing_begins_anew_unasked(run, stopped, gone):
    folder = stopped()
    for name in ("last.ckpt", "previous.ckpt"):
        file = folder / "checkpoints" / name
        if gone:
            file.unlink()
        else:
            harmed(file, "bit flipped")
    before = {path: path.read_bytes() for path in folder.rglob("*.[cf]*") if path.is_file()}
    with pytest.raises(InputError, match="no checkpoint is left to go on from: fresh=true"):
        run(SETTINGS)
    assert {path: path.read_bytes() for path in before} == before
    assert run({**SETTINGS, "fresh": True}).status == "finished"


def test_a_harmed_best_checkpoint_is_named(run, stopped):
    folder = stopped()
    harmed(folder / "checkpoints" / "best.ckpt", "bit flipped")
    with pytest.raises(InputError, match=r"best\.ckpt is truncated or altered"):
        run(SETTINGS)


def test_a_log_that_was_cut_is_named(run, stopped):
    folder = stopped()
    (folder / "losses.f32").write_bytes(b"")
    with pytest.raises(InputError, match=r"losses\.f32 is truncated"):
        run(SETTINGS)


def test_a_malicious_pickle_in_place_of_a_checkpoint_is_never_run(run, stopped, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    last, ran = stopped() / "checkpoints" / "last.ckpt", tmp_path / "ran"

    class Malicious:
        def __reduce__(self):
            return (open, (str(ran), "w"))

    torch.save({"state_dict": Malicious()}, last)
    known = digests(last.parent)
    known["last.ckpt"]["sha256"] = hashlib.sha256(last.read_bytes()).hexdigest()
    (last.parent / "digests.json").write_text(json.dumps(known))
    assert run(SETTINGS).status == "finished"  # from the one before
    assert not ran.exists()


# Saves twice, and is killed at the nth call that touches the disk during the second.
KILLED_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
import torch
from encore.record import checkpoint_files as files

folder, calls = Path(sys.argv[1]), 0

def deadly(function):
    def wrapped(*args, **kwargs):
        global calls
        calls += 1
        if calls == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapped

for nth in range(1, 40):
    if not os.fork():
        here = folder / str(nth)
        here.mkdir()
        for step in (1, 2):
            if step == 2:
                for module, name in ((os, "fsync"), (os, "link"), (Path, "replace"), (Path, "open")):
                    setattr(module, name, deadly(getattr(module, name)))
            files.save({"global_step": step, "weights": torch.full((1000,), float(step))}, here / "last.ckpt")
        os._exit(0)
    if os.WEXITSTATUS(os.wait()[1]) == 0 and (folder / str(nth) / "last.ckpt").exists() and nth > 30:
        break
"""


def test_a_process_killed_while_it_saves_leaves_the_old_file_or_the_new(tmp_path):
    elsewhere = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path  # another file system
    subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, str(tmp_path)],
        check=True,
        env={**os.environ, "TMPDIR": str(elsewhere)},
    )
    steps = []
    for folder in sorted(tmp_path.iterdir(), key=lambda path: int(path.name)):
        steps.append(load(folder / "last.ckpt")["global_step"])
        assert float(load(folder / "last.ckpt")["weights"].mean()) == steps[-1]
    assert steps == sorted(steps)
    assert set(steps) == {1, 2}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own: `small_disk(bytes)` makes or resizes it."""
    place = tmp_path / "disk"
    place.mkdir()

    def sized(size: int) -> Path:
        remount = "remount," if os.path.ismount(place) else ""
        words = ["mount", "-t", "tmpfs", "-o", f"{remount}size={size}", "tmpfs", str(place)]
        try:
            mounted = subprocess.run(words, check=False, capture_output=True).returncode == 0
        except FileNotFoundError:
            mounted = False
        if not mounted:
            pytest.skip("needs the right to mount a small file system")
        return place

    yield sized
    subprocess.run(["umount", str(place)], check=False, capture_output=True)


def test_a_full_disk_ends_with_what_is_needed_and_goes_on_with_more_room(run, tmp_path, small_disk):
    settings = {**SETTINGS, "model.widths": [1024], "callbacks.checkpoint.min_seconds_between": 0, "logger": "csv"}
    runs = small_disk(2_300_000)
    with pytest.raises(CannotWrite, match=r"last\.ckpt needs [\d,]+ bytes; [\d,]+ are free"):
        run({**settings, "runs_dir": str(runs)})
    folder = folder_in(runs)
    assert load(folder / "checkpoints" / "last.ckpt")["epoch"] == 1
    assert not list(folder.rglob(".*.[0-9]*"))
    small_disk(50_000_000)
    again = run({**settings, "runs_dir": str(runs)})
    assert "where it was stopped, after epoch 1" in (folder / "train.log").read_text()
    assert final(again) == final(run({**settings, "runs_dir": str(tmp_path / "whole")}))


def test_other_data_make_another_run(run, tmp_path):
    file = tmp_path / "data.npz"
    settings = {"data": "npz", "data.path": str(file), "data.shape": [4], "data.num_classes": 2}
    settings |= {"trainer.max_epochs": 1, "data.batch_size": 8}
    generator = np.random.default_rng(0)
    folders = []
    for _ in range(2):
        np.savez(file, x=generator.random((60, 4)), y=np.arange(60) % 2)
        folders.append(run(settings).folder)
    assert folders[0] != folders[1]
    moved = shutil.move(file, tmp_path / "elsewhere.npz")
    assert run({**settings, "data.path": str(moved)}).folder == folders[1]


HOLDS = """
import os, sys, time
from encore.compose import config_from
from encore.record.record import Record

with Record.open(config_from(sys.argv[1:])) as record:
    if os.fork():
        print(record.folder, flush=True)
    time.sleep(60)
"""


def test_a_lock_is_the_holder_s_alone_and_ends_with_it(tmp_path, run):
    words = [f"runs_dir={tmp_path / 'runs'}", "threads=1", "trainer.accelerator=cpu", "trainer.max_epochs=1"]
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, *words], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert holder.stdout.readline()
        began = time.monotonic()
        with pytest.raises(Busy, match=f"is being run by process {holder.pid}"):
            run(*words)
        assert time.monotonic() - began < 5
        holder.kill()  # its child lives on
        holder.wait()
        assert run(*words).status == "finished"
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.stdout.close()


def test_signals_while_it_saves_do_no_harm(run, tmp_path, monkeypatch):
    plain = checkpoints.Checkpoints.save

    def save(self, *args):
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
        plain(self, *args)

    monkeypatch.setattr(checkpoints.Checkpoints, "save", save)
    for _ in range(10):
        try:
            result = run(SETTINGS)
            break
        except Preempted:
            assert Result.read(folder_in(tmp_path / "runs")).status == "preempted"
            load(folder_in(tmp_path / "runs") / "checkpoints" / "last.ckpt")
    monkeypatch.undo()
    assert final(result) == final(run({**SETTINGS, "runs_dir": str(tmp_path / "whole")}))


def test_slurm_is_asked_to_queue_the_job_again(run, tmp_path, monkeypatch):
    asked = tmp_path / "asked"
    command = tmp_path / "scontrol"
    command.write_text(f'#!/bin/sh\necho "$@" > {asked}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name, value in {"SLURM_JOB_ID": "17", "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "job"}.items():
        monkeypatch.setenv(name, value)
    plain = Losses.on_train_batch_end

    def stop(self, *args):
        plain(self, *args)
        signal.raise_signal(signal.SIGUSR1)

    with monkeypatch.context() as patch:
        patch.setattr(Losses, "on_train_batch_end", stop)
        with pytest.raises(Preempted, match="SIGUSR1"):
            run(SETTINGS)
    assert asked.read_text() == "requeue 17\n"
    assert run(SETTINGS).status == "finished"


def test_a_clock_that_is_set_back_changes_nothing(run, stopped, tmp_path, monkeypatch):
    from test_resume import assert_same

    stopped()
    past = time.time() - 1e6
    monkeypatch.setattr(time, "time", lambda: past)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    again = run(SETTINGS)
    monkeypatch.undo()
    assert_same(again.folder, run({**SETTINGS, "runs_dir": str(tmp_path / "whole")}).folder)


def test_a_folder_that_was_moved_is_gone_on_from_elsewhere(run, stopped, tmp_path, monkeypatch):
    stopped()
    shutil.move(tmp_path / "runs", tmp_path / "moved")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    again = run({**SETTINGS, "runs_dir": "../moved"})
    assert "where it was stopped" in (again.folder / "train.log").read_text()
    assert final(again) == final(run({**SETTINGS, "runs_dir": str(tmp_path / "whole")}))


def test_a_sweep_that_was_killed_does_what_is_missing(tmp_path, command):
    words = ["-m", "seed=0,1,2", "trainer=cpu", "threads=1", "trainer.max_epochs=40"]
    words += ["callbacks.checkpoint.min_seconds_between=0.1"]
    runs = tmp_path / "runs"
    sweep = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *words],
        env={**os.environ, "ENCORE_RUNS_DIR": str(runs)},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(list(runs.rglob("last.ckpt"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    sweep.kill()
    sweep.wait()
    statuses = sorted(json.loads(file.read_text())["status"] for file in runs.rglob("result.json"))
    assert statuses == ["finished", "running"]
    again = command("train.py", *words)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("finished already") == 1
    assert again.stdout.count("where it was stopped") == 1
    assert len(list(runs.rglob("result.json"))) == 3
    manifests = [json.loads(file.read_text()) for file in runs.rglob("manifest.json")]
    assert sorted(str(m["attempts"][-1]["reason"]) for m in manifests) == ["None", "None", "killed"]
    assert yaml.safe_load((folder_in(runs) / "config.yaml").read_text())["threads"] == 1
