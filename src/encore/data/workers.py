"""Worker processes that read examples ahead; they end with the process that started them."""

import atexit
import multiprocessing
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from encore.errors import InputError
from encore.stopping import held_back, ignore_signals


def read_by_workers(
    by_batch: Dataset[Any], indices: Tensor, lengths: list[int], num_workers: int, pin_memory: bool
) -> Iterator[Any]:
    """Batches of indices in order, each read as a whole by one worker process."""
    loader = DataLoader(
        by_batch,
        sampler=(batch.tolist() for batch in indices.split(lengths)),  # as lists, a whole epoch's take 40 bytes each
        batch_size=None,
        num_workers=num_workers,
        pin_memory=pin_memory,
        generator=torch.Generator(),  # so that its workers' seeds are not drawn from the run's generator
        worker_init_fn=left_alone,
    )
    with held_back():
        batches = iter(loader)
    BEGUN.add(batches)
    try:
        for batch in batches:
            if isinstance(batch, InputError):
                raise batch
            yield batch
    except (OSError, EOFError) as problem:  # a batch was on its way from one that is no more
        workers = getattr(batches, "_workers", ())
        for worker in workers:
            worker.join(1)  # it may be ending just now
        if all(worker.is_alive() for worker in workers):
            raise
        raise WorkerEnded(str(problem)) from problem
    finally:
        end_workers(batches)


class WorkerEnded(RuntimeError):
    """A worker process is no more; torch says so by a RuntimeError, wherever the run then is."""

    def __init__(self, said: str) -> None:
        super().__init__(f"DataLoader worker ended: {said}")


BEGUN: weakref.WeakSet[Any] = weakref.WeakSet()  # torch's iterators, whose workers may be running


def end_workers(batches: Any) -> None:
    """End an iterator's worker processes, also where an error's traceback keeps it.

    They ignore the signal by which Python ends processes, and for which it then waits without end.
    """
    if hasattr(batches, "_shutdown_workers"):
        batches._shutdown_workers()
    for worker in getattr(batches, "_workers", ()):
        if worker.is_alive():
            worker.kill()


def end_all() -> None:
    """Before Python waits for them."""
    for batches in list(BEGUN):
        end_workers(batches)


atexit.register(end_all)  # called before what multiprocessing registered when torch imported it
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BEGUN.clear)  # they are the parent's


def left_alone(worker: int) -> None:
    """A worker ends with its run: no earlier, even if a signal is sent to all processes of a job, and no later."""
    ignore_signals()
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """End this worker when its parent has ended, even by SIGKILL.

    Torch looks only between batches, and Python then waits without end for somebody to take the batches that are left.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def shared(part: Any) -> Any:
    """A batch with its tensors in shared memory, moved there by the worker itself.

    Left to the queue's own thread, a lack of room would be printed there and the batch be waited for without end.

    Raises:
        InputError: there is no room.
    """
    if isinstance(part, dict):
        return {name: shared(value) for name, value in part.items()}
    if isinstance(part, tuple):
        return tuple(map(shared, part))
    if not isinstance(part, Tensor) or get_worker_info() is None:
        return part
    try:
        return part.contiguous().share_memory_()
    except RuntimeError as problem:
        raise InputError(
            f"a worker process finds no room in shared memory for a batch: {' '.join(str(problem).split())}\n"
            "make /dev/shm larger (docker run --shm-size), or use data.num_workers=0 or a smaller data.batch_size"
        ) from problem
