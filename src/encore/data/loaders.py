"""Batches on the device, in an order that is a function of (seed, epoch) alone."""

import atexit
import os
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from encore.data.batch import Batch
from encore.data.contract import Source
from encore.data.normalize import Affine
from encore.errors import InputError
from encore.fast.memory import Memory
from encore.seeding import derive
from encore.stopping import held_back, ignore_signals

# Inputs and targets of one or more batches, and the batches' lengths.
Block = tuple[Tensor, Tensor, list[int]]
# Small batches are gathered and normalised together up to this many numbers, about the size of a core's cache.
BLOCK = 2**18
# Alignment in bytes: a batch that starts elsewhere could be summed in another order.
ALIGNED = 512


@dataclass(frozen=True)
class Order:
    """Which examples a batch holds."""

    indices: Tensor
    batch_size: int  # over all ranks together
    seed: int | None = None  # None: not shuffled
    drop_last: bool = False
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        """Batches per epoch."""
        whole, rest = divmod(len(self.indices), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def of_epoch(self, epoch: int) -> Tensor:
        if self.seed is None:
            return self.indices
        generator = torch.Generator().manual_seed(derive(self.seed, "order", epoch))
        return self.indices[torch.randperm(len(self.indices), generator=generator)]

    def of_rank(self, indices: Tensor, first: int = 0) -> tuple[Tensor, list[int]]:
        """This rank's part of an epoch, from a batch on: its indices, and how many each batch has."""
        rest = indices[first * self.batch_size : len(self) * self.batch_size]
        if self.world_size == 1 or not len(rest):
            return rest, [self.batch_length(batch) for batch in range(first, len(self))]
        parts = [batch[self.rank :: self.world_size] for batch in rest.split(self.batch_size)]
        return torch.cat(parts), [len(part) for part in parts]

    def batch_length(self, batch: int) -> int:
        """Examples in a batch, over all ranks together."""
        return min(self.batch_size, len(self.indices) - batch * self.batch_size)


class Loader:
    """What Lightning iterates over: a split's batches, gathered and normalised on the device.

    Args:
        gather: raw inputs and targets of indices, in order, block by block of batches of given lengths.
        order: which examples they are.
        normalize: applied to the whole batch at once.
        device: where batches go.
        memory: for inputs on a CPU, the same for all loaders; they take turns.
        position: returns the epoch, and the batch in it to start with.
        began: called at the start of every epoch with its number and all its indices in order.
    """

    def __init__(
        self,
        gather: Callable[[Tensor, list[int]], Iterator[Block]],
        order: Order,
        normalize: Affine,
        device: torch.device,
        memory: Memory,
        position: Callable[[], tuple[int, int]],
        began: Callable[[int, Tensor], None] | None = None,
    ) -> None:
        self.gather, self.order, self.position, self.began = gather, order, position, began
        self.normalize, self.device = normalize.to(device), device
        self.memory = memory if device.type == "cpu" else None  # other devices have caching allocators

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        batches = self.epoch()
        self.begun = weakref.ref(batches)  # worker processes end with the iterator
        return batches

    def __next__(self) -> Batch:
        """The next batch of the epoch begun last."""
        batches = self.begun()
        assert batches is not None
        return next(batches)

    def epoch(self) -> Generator[Batch]:
        """The batches that remain in the epoch."""
        for raw, targets, lengths in self.gather(*self.entered()):
            inputs = self.normalize(raw.to(self.device, non_blocking=True), self.memory)
            targets = targets.to(self.device, non_blocking=True)
            alone = len(lengths) == 1
            batches = deque(
                [(inputs, targets)] if alone else zip(inputs.split(lengths), targets.split(lengths), strict=True)
            )
            del inputs, targets  # keep no reference to a batch handed out: its memory is reused
            while batches:
                yield batches.popleft()

    def entered(self) -> tuple[Tensor, list[int]]:
        """What remains of the epoch: this rank's indices, and how many of them each batch has."""
        epoch, first = self.position()
        indices = self.order.of_epoch(epoch)
        if self.began is not None and first == 0:
            self.began(epoch, indices)
        return self.order.of_rank(indices, first)

    def state_dict(self) -> dict:
        """Empty: the trainer's progress says where an epoch is resumed. Lightning requires the method."""
        return {}

    def load_state_dict(self, state_dict: dict) -> None:
        """Nothing to restore."""


class Resident:
    """All examples of a source on the device, in their natural type."""

    def __init__(self, source: Source, device: torch.device) -> None:
        everything = getattr(source, "inputs", None)
        self.inputs = (source.read(range(len(source.targets))) if everything is None else everything).to(device)
        self.targets = source.targets.to(device)

    def __call__(self, indices: Tensor, lengths: list[int]) -> Iterator[Block]:
        """Gather batches by index, where the examples lie: several small ones at once."""
        if not lengths:
            return
        size = lengths[0] * self.inputs[0].numel()
        together = max(1, BLOCK // max(1, size)) if size * 4 % ALIGNED == 0 else 1
        indices, raw, begin = indices.to(self.inputs.device), self.inputs.new_empty(0), 0
        for place in range(0, len(lengths), together):
            block = lengths[place : place + together]
            chosen = indices[begin : (begin := begin + sum(block))]
            # a sixth of the time that self.inputs[chosen] takes
            torch.index_select(self.inputs, 0, chosen, out=raw.resize_(len(chosen), *self.inputs.shape[1:]))
            yield raw, self.targets.index_select(0, chosen), block


class Streamed:
    """Examples that worker processes read when needed."""

    def __init__(self, source: Source, num_workers: int, pin_memory: bool) -> None:
        self.source, self.num_workers, self.pin_memory = source, num_workers, pin_memory

    def __call__(self, indices: Tensor, lengths: list[int]) -> Iterator[Block]:
        """Read each batch in a worker; batches arrive in order."""
        batches = read_by_workers(ByBatch(self.source), indices, lengths, self.num_workers, self.pin_memory)
        for inputs, targets in batches:
            yield inputs, targets, [len(targets)]


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
    """A worker ends with its run, even if a signal is sent to all processes of a job."""
    ignore_signals()


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


class ByBatch(Dataset[Batch | InputError]):
    """A source whose item is a whole batch."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source.targets)

    def __getitem__(self, indices: list[int]) -> Batch | InputError:
        try:
            targets = self.source.targets[torch.as_tensor(indices, dtype=torch.long)]
            return shared((self.source.read(indices), targets))
        except InputError as problem:  # raised in a worker, it would come with a traceback in its words
            return problem
