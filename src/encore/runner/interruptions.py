"""How a run ends if it is told to stop while Lightning handles the signals, or while it waits for data."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch.utils.data import _utils
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from encore.errors import InputError, Interrupted, Preempted
from encore.stopping import Stop

PATIENCE, LOOK = 5.0, 1.0  # seconds that a worker process has for a batch once a run is told to stop, and between looks


@contextmanager
def heeding(stop: Stop) -> Iterator[None]:
    """Let a run that is told to stop do so even if it waits for a worker process, of any loader, that is stuck.

    The step that it would finish first never comes.
    """
    plain = _MultiProcessingDataLoaderIter._try_get_data

    def look(batches: Any, timeout: float = LOOK) -> tuple[bool, Any]:
        until = time.monotonic() + timeout
        while True:
            there, batch = plain(batches, min(timeout, LOOK))
            now = time.monotonic()
            if not there and now - stop.since > PATIENCE:
                kill_workers(batches)
                raise stop.end()
            if there or now >= until:
                return there, batch

    _MultiProcessingDataLoaderIter._try_get_data = look  # type: ignore[method-assign]
    try:
        yield
    finally:
        _MultiProcessingDataLoaderIter._try_get_data = plain  # type: ignore[method-assign]


def kill_workers(batches: Any) -> None:
    """End an iterator's worker processes, which torch would wait for; it is not to take this for a fault."""
    _utils.signal_handling._remove_worker_pids(id(batches))
    batches._worker_pids_set = False
    for worker in batches._workers:
        worker.kill()


@contextmanager
def told_to_stop() -> Iterator[None]:
    """Raise Interrupted for a second Ctrl-C, and Preempted for a SIGTERM before our own handler is back in place.

    A worker process that was killed ends the run, too: torch tells of it by a signal, wherever the run then is.
    """
    try:
        yield
    except RuntimeError as problem:
        if not str(problem).startswith("DataLoader worker"):
            raise
        raise InputError(
            f"a process that reads data ended: {str(problem).splitlines()[0]}\n"
            "with too little memory the system kills it: lower data.num_workers or data.batch_size"
        ) from problem
    except SIGTERMException as stop:
        raise Preempted("stopped by SIGTERM; the same command continues the run") from stop
    except SystemExit as stop:  # Lightning's answer to KeyboardInterrupt
        raise Interrupted("interrupted; the same command continues from the last checkpoint") from stop
