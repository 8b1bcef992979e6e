"""Worker processes that cannot go on end the run with a message in seconds, and leave no process behind."""

import json
import os
import select
import signal
import threading
import time

import pytest
import torch
from test_loaders import batches

from encore.data import loaders
from encore.data.loaders import Order, Streamed
from encore.data.workers import BEGUN, end_all, read_by_workers
from encore.errors import InputError, Interrupted, Preempted
from encore.runner import interruptions
from encore.runner.interruptions import heeding, told_to_stop
from encore.stopping import Stop

ORDER = Order(torch.arange(64), 4)


class Source:
    """Examples of which one does something else."""

    def __init__(self, act, at=20):
        self.act, self.at, self.targets, self.classes = act, at, torch.arange(64), None

    def __len__(self):
        return 64

    def read(self, indices):
        if self.at in indices:
            self.act()
        return torch.zeros(len(indices), 1)


def raises():
    raise InputError("the picture is gone")


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def no_room():
    def full(tensor):
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)")

    torch.Tensor.share_memory_ = full  # in the worker alone


FAULTS = {
    "gone": (raises, "the picture is gone"),
    "killed": (killed, r"a process that reads data ended: DataLoader worker.*\n.*memory"),
    "no room": (no_room, "no room in shared memory for a batch: .*No space left"),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_fault_in_a_worker_ends_the_run(fault, workers):
    act, message = FAULTS[fault]
    with pytest.raises(InputError, match=message), told_to_stop():
        batches(Streamed(Source(act), workers, pin_memory=False), ORDER)
    assert not living()


def living():
    return [worker for one in BEGUN for worker in one._workers if worker.is_alive()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
def test_workers_that_are_stuck_end_with_the_process():
    """Python would send them a signal that they ignore, and wait for them without end."""
    begun = read_by_workers(
        loaders.ByBatch(Source(lambda: time.sleep(1000), at=8)), torch.arange(64), [4] * 16, 2, pin_memory=False
    )
    next(begun)
    assert len(living()) == 2
    for process in living():
        os.kill(process.pid, signal.SIGTERM)  # as to all processes of a job: the run has its step to finish
    next(begun)
    assert len(living()) == 2
    end_all()
    assert not any(worker.is_alive() for one in BEGUN for worker in one._workers if not worker.join(10))


class Large:
    """Batches that no pipe holds."""

    def __getitem__(self, indices):
        return bytes(2**20)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
@pytest.mark.parametrize(
    "read", [Large(), loaders.ByBatch(Source(lambda: time.sleep(1000), at=8))], ids=["large", "stuck"]
)
def test_workers_end_with_a_process_that_is_killed(read):
    alive, held = os.pipe()  # its end is reached when no process is left that a fork gave `held`
    if not (child := os.fork()):
        try:
            os.setsid()
            begun = read_by_workers(read, torch.arange(64), [4] * 16, 2, pin_memory=False)
            next(begun)
            os.write(held, b"!")
            time.sleep(1000)
        finally:
            os._exit(1)
    os.close(held)
    assert os.read(alive, 1) == b"!"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    ended = select.select([alive], [], [], 10)[0] and os.read(alive, 1) == b""
    os.close(alive)
    if not ended:
        os.killpg(child, signal.SIGKILL)
    assert ended


def sent(number, after=0.5):
    threading.Timer(after, os.kill, (os.getpid(), number)).start()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, Preempted), (signal.SIGINT, Interrupted)])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_told_to_stop_does_not_wait_for_a_stuck_worker(monkeypatch, number, expected, workers):
    monkeypatch.setattr(interruptions, "PATIENCE", 0.1)
    monkeypatch.setattr(interruptions, "LOOK", 0.2)
    stop = Stop()
    sent(number)
    with pytest.raises(expected), stop, stop.deferred(), heeding(stop):
        batches(Streamed(Source(lambda: time.sleep(1000)), workers, pin_memory=False), ORDER)
    assert not living()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
def test_a_slow_worker_s_batch_is_waited_for(monkeypatch):
    """So that the step is finished, and saved."""
    monkeypatch.setattr(interruptions, "LOOK", 0.1)
    stop, found = Stop(), []
    sent(signal.SIGTERM)
    with pytest.raises(Preempted), stop, stop.deferred(), heeding(stop):
        found = batches(Streamed(Source(lambda: time.sleep(1)), 2, pin_memory=False), ORDER)
    assert len(found) == 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
def test_a_run_whose_worker_was_stuck_goes_on(run, monkeypatch, tmp_path):
    settings = {"debug": "fast", "data.resident": False, "trainer.max_epochs": 2, "data.batch_size": 32}
    plain, there = loaders.ByBatch.__getitem__, os.getpid()

    def stuck(data, indices):
        if os.getpid() != there:
            os.kill(there, signal.SIGTERM)
            time.sleep(1000)
        return plain(data, indices)

    monkeypatch.setattr(interruptions, "PATIENCE", 0.5)
    monkeypatch.setattr(loaders.ByBatch, "__getitem__", stuck)
    with pytest.raises(Preempted) as stopped:
        run(settings)
    assert stopped.value.code == 143
    (held,) = (tmp_path / "runs").rglob("result.json")
    assert json.loads(held.read_text())["status"] == "preempted"
    monkeypatch.setattr(loaders.ByBatch, "__getitem__", plain)
    result = run(settings)
    assert (result.status, result.epochs) == ("finished", 2)
    attempts = json.loads((result.folder / "manifest.json").read_text())["attempts"]
    assert [attempt["status"] for attempt in attempts][-1] == "finished"
