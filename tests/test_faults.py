"""What goes wrong on real machines: every fault has a named outcome, and nothing that is whole is lost."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from endings import asked_to_stop
from processes import DEVNULL, PIPE, start

from encore.callbacks import checkpoints
from encore.callbacks.losses import Losses
from encore.errors import Busy, CannotWrite, InputError, Preempted
from encore.record.checkpoint_files import digests, load, save
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

    def make(**settings: Any) -> Path:
        with asked_to_stop(monkeypatch, 5, 6):
            for _ in range(2):
                with pytest.raises(Preempted):
                    run({**SETTINGS, **settings})
        found = (file.parent for file in (tmp_path / "runs").rglob("result.json"))
        return next(folder for folder in found if Result.read(folder).status == "preempted")

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
    with pytest.raises(InputError, match="no usable checkpoint is left: fresh=true"):
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


# Saves three times; the second time it is killed at the first number's call that touches the disk, and, started
# again, the third time at the second number's.
KILLED_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
import torch
from encore.record import checkpoint_files as files

def deadly(function, counter):
    def wrapped(*args, **kwargs):
        counter[0] -= 1
        if counter[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapped

def save(step, path, after=None):
    if os.fork():
        return os.waitstatus_to_exitcode(os.wait()[1])
    for module, name in ((os, "fsync"), (os, "link"), (Path, "replace"), (Path, "open")) if after else ():
        setattr(module, name, deadly(getattr(module, name), after))
    files.save({"global_step": step, "weights": torch.full((1000,), float(step))}, path)
    os._exit(0)

for first in range(1, 99):
    for second in range(1, 99):
        here = Path(sys.argv[1]) / f"{first}-{second}"
        here.mkdir()
        save(1, here / "last.ckpt")
        whole = save(2, here / "last.ckpt", [first])
        if save(3, here / "last.ckpt", [second]) == 0:
            break
    if whole == 0:
        break
"""


@pytest.mark.slow
def test_a_process_killed_while_it_saves_and_again_leaves_the_old_file_or_the_new(tmp_path):
    elsewhere = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path  # another file system
    subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, str(tmp_path)],
        check=True,
        env={**os.environ, "TMPDIR": str(elsewhere)},
    )
    found = set()
    for folder in tmp_path.iterdir():
        state = load(folder / "last.ckpt")
        assert float(state["weights"].mean()) == state["global_step"]
        found.add(state["global_step"])
        if (folder / "previous.ckpt").exists():
            assert load(folder / "previous.ckpt")["global_step"] <= state["global_step"]
    assert found == {1, 2, 3}
    assert len(list(tmp_path.iterdir())) > 50


def test_a_bad_checkpoint_does_not_take_the_place_of_the_good_one_before(tmp_path):
    last = tmp_path / "last.ckpt"
    for step in (1, 2):
        save({"global_step": step}, last)
    harmed(last, "bit flipped")
    save({"global_step": 3}, last)
    assert load(tmp_path / "previous.ckpt")["global_step"] == 1
    assert load(last)["global_step"] == 3


def test_best_weights_that_were_due_when_it_was_killed_are_tested(run, tmp_path, monkeypatch):
    settings = {**SETTINGS, "callbacks.checkpoint.min_seconds_between": 1e9}  # after the first epoch and the last
    plain, calls = checkpoints.Checkpoints.save_best, []

    def full(self, task):
        calls.append(task)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(self, task)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.Checkpoints, "save_best", full)
        with pytest.raises(CannotWrite):
            run(settings)
    again = run(settings)
    whole = run({**settings, "runs_dir": str(tmp_path / "whole")})
    assert final(again) == final(whole)
    assert again.best["epoch"] > 0


def test_a_callback_that_sets_up_every_epoch_is_not_entered_within_one(run, stopped, tmp_path):
    scheduler = "pytorch_lightning.callbacks.GradientAccumulationScheduler"
    settings = {"+callbacks.accumulate": {"_target_": scheduler, "scheduling": {0: 1, 1: 2}}}
    folder = stopped(**settings)
    again = run({**SETTINGS, **settings})
    log = (folder / "train.log").read_text()
    assert "GradientAccumulationScheduler sets up every epoch" in log
    assert "where it was stopped, after epoch 1, step 4" in log
    assert final(again) == final(run({**SETTINGS, **settings, "runs_dir": str(tmp_path / "whole")}))


def test_a_fresh_run_that_was_stopped_goes_on_when_it_is_asked_for_again(run, stopped, tmp_path):
    first = run(SETTINGS)
    folder = stopped(fresh=True)
    again = run({**SETTINGS, "fresh": True})
    assert again.folder != first.folder
    assert "where it was stopped, after epoch 1, step 6" in (again.folder / "train.log").read_text()
    assert len(list(folder.parent.iterdir())) == 2
    assert final(again) == final(first)
    assert run({**SETTINGS, "fresh": True}).folder.name.endswith("-3")


def test_a_shorter_run_that_cannot_be_used_leaves_no_trace(run, tmp_path):
    shorter = run({**SETTINGS, "trainer.max_epochs": 2})
    harmed(shorter.folder / "checkpoints" / "best.ckpt", "bit flipped")
    longer = run(SETTINGS)
    assert "a shorter run is not continued, since" in (longer.folder / "train.log").read_text()
    whole = run({**SETTINGS, "runs_dir": str(tmp_path / "whole")})
    assert final(longer) == final(whole)
    assert (longer.folder / "metrics.csv").read_bytes() == (whole.folder / "metrics.csv").read_bytes()


@pytest.mark.slow
def test_a_signal_to_all_processes_of_a_job_is_one_to_the_run(tmp_path):
    words = ["trainer=cpu", "trainer.max_epochs=100000", "data.resident=false", "data.num_workers=1"]
    words += [f"runs_dir={tmp_path / 'runs'}"]
    process = start(ROOT / "train.py", *words, start_new_session=True, stdout=DEVNULL, stderr=PIPE)
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.rglob("last.ckpt")) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert Result.read(folder_in(tmp_path / "runs")).status == "preempted"


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
from encore.config.compose import config_from
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
    plain = Losses.add

    def stop(self, *args):
        plain(self, *args)
        signal.raise_signal(signal.SIGUSR1)

    with monkeypatch.context() as patch:
        patch.setattr(Losses, "add", stop)
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


@pytest.mark.slow
def test_a_sweep_that_was_killed_does_what_is_missing(tmp_path, command):
    words = ["-m", "seed=0,1,2", "trainer=cpu", "threads=1", "trainer.max_epochs=40"]
    words += ["callbacks.checkpoint.min_seconds_between=0.1"]
    runs = tmp_path / "runs"
    environment = {**os.environ, "ENCORE_RUNS_DIR": str(runs)}
    sweep = start(ROOT / "train.py", *words, env=environment, cwd=tmp_path, stdout=DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(runs.rglob("last.ckpt"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    sweep.kill()
    sweep.wait()
    statuses = sorted(json.loads(file.read_text())["status"] for file in runs.rglob("result.json"))
    assert statuses == ["finished", "running"]
    again = command("train.py", *words)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("finished before") == 1
    logs = [file.read_text() for file in runs.rglob("train.log")]
    assert sum("where it was stopped" in log for log in logs) == 1
    assert len(list(runs.rglob("result.json"))) == 3
    manifests = [json.loads(file.read_text()) for file in runs.rglob("manifest.json")]
    assert sorted(str(m["attempts"][-1].get("reason")) for m in manifests) == ["None", "None", "killed"]
    assert yaml.safe_load((folder_in(runs) / "config.yaml").read_text())["threads"] == 1


def test_where_nothing_can_be_saved_within_an_epoch_it_stops_all_the_same(run, stopped, tmp_path):
    settings = {"+trainer.val_check_interval": 1}  # Lightning goes on badly from a validation within an epoch
    folder = stopped(**settings)
    assert "the same command continues from step 4" in Result.read(folder).error
    again = run({**SETTINGS, **settings})
    assert final(again) == final(run({**SETTINGS, **settings, "runs_dir": str(tmp_path / "whole")}))
