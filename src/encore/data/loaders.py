"""Batches on the device, in an order that is a function of (seed, epoch) alone."""

import sys
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from encore.data.normalize import Affine
from encore.data.sources import Source
from encore.seeding import derive
from encore.stopping import held_back, ignore_signals

Batch = tuple[Tensor, Tensor]
# Inputs and targets of one or more batches, and the batches' lengths.
Block = tuple[Tensor, Tensor, list[int]]
# Small batches are gathered and normalised together, up to so many numbers, about what a core's cache holds.
BLOCK = 2**18
# What memory is aligned to, in bytes: a batch that began elsewhere could be summed in another order.
ALIGNED = 512


@dataclass(frozen=True)
class Order:
    """Which examples a batch holds."""

    indices: Tensor
    batch_size: int  # over all ranks together
    seed: int | None = None  # None: always as they are
    drop_last: bool = False
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(len(self.indices), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def of_epoch(self, epoch: int) -> Tensor:
        """All indices, in the order of an epoch."""
        if self.seed is None:
            return self.indices
        generator = torch.Generator().manual_seed(derive(self.seed, "order", epoch))
        return self.indices[torch.randperm(len(self.indices), generator=generator)]

    def of_rank(self, indices: Tensor, first: int = 0) -> tuple[Tensor, list[int]]:
        """This rank's part of an epoch in that order, from a batch on: its indices, and how many each batch has."""
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
        position: the epoch and the batch in it that is to come first, when it is asked for.
        began: told of every epoch that is begun: its number, and all its indices in their order.
    """

    def __init__(
        self,
        gather: Callable[[Tensor, list[int]], Iterator[Block]],
        order: Order,
        normalize: Affine,
        device: torch.device,
        memory: "Memory",
        position: Callable[[], tuple[int, int]],
        began: Callable[[int, Tensor], None] | None = None,
    ) -> None:
        self.gather, self.order, self.position, self.began = gather, order, position, began
        self.normalize, self.device = normalize.to(device), device
        self.memory = memory if device.type == "cpu" else None  # others have allocators for such uses

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        batches = self.epoch()
        self.begun = weakref.ref(batches)  # worker processes end with who iterates
        return batches

    def __next__(self) -> Batch:
        """The next batch of the epoch that was begun last."""
        batches = self.begun()
        assert batches is not None
        return next(batches)

    def epoch(self) -> Generator[Batch]:
        """The batches from where the epoch stands."""
        epoch, first = self.position()
        indices = self.order.of_epoch(epoch)
        if self.began is not None and first == 0:
            self.began(epoch, indices)
        for raw, targets, lengths in self.gather(*self.order.of_rank(indices, first)):
            inputs = self.normalize(raw.to(self.device, non_blocking=True), self.memory)
            targets = targets.to(self.device, non_blocking=True)
            alone = len(lengths) == 1
            batches = deque(
                [(inputs, targets)] if alone else zip(inputs.split(lengths), targets.split(lengths), strict=True)
            )
            del inputs, targets  # nothing here refers to a batch that is given: its memory is for the next ones
            while batches:
                yield batches.popleft()

    def state_dict(self) -> dict:
        """Nothing: where an epoch is entered is known from the trainer's progress. Lightning looks for this."""
        return {}

    def load_state_dict(self, state_dict: dict) -> None:
        """Nothing is to be brought back."""


class Memory:
    """Memory of one tensor after another, which is taken again when nothing refers to a tensor any more.

    What is allocated anew for every block leaves holes in the heap, ten times its size. The tensors cannot be resized.
    """

    kept = 4  # arrays; whoever keeps more batches than that keeps their memory alone

    def __init__(self) -> None:
        self.arrays = [np.empty(0, np.float32)]  # the first one is nobody's

    def __call__(self, shape: Sequence[int]) -> Tensor:
        """A float32 tensor [*shape] with anything in it."""
        size = prod(shape)
        idle, *counts = references(self.arrays)
        nobody, *others = self.arrays
        for array, count in zip(others, counts, strict=True):
            if count == idle and len(array) >= size:
                return torch.from_numpy(array)[:size].view(*shape)
        busy = [array for array, count in zip(others, counts, strict=True) if count > idle]
        array = torch.empty(size).numpy()
        self.arrays = [nobody, *busy[1 - self.kept :], array]
        return torch.from_numpy(array)[:size].view(*shape)


def references(arrays: list[np.ndarray]) -> list[int]:
    """How many there are to each array; a tensor of it is one."""
    return [sys.getrefcount(array) for array in arrays]


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
    """Examples that are read by worker processes as they are needed."""

    def __init__(self, source: Source, num_workers: int, pin_memory: bool) -> None:
        self.source, self.num_workers, self.pin_memory = source, num_workers, pin_memory

    def __call__(self, indices: Tensor, lengths: list[int]) -> Iterator[Block]:
        """Read each batch in a worker; they arrive in order."""
        loader = DataLoader(
            ByBatch(self.source),
            sampler=[batch.tolist() for batch in indices.split(lengths)],
            batch_size=None,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            generator=torch.Generator(),  # its workers' seeds are not drawn from the run's generator
            worker_init_fn=left_alone,
        )
        with held_back():
            batches = iter(loader)
        for inputs, targets in batches:
            yield inputs, targets, [len(targets)]


def left_alone(worker: int) -> None:
    """A worker ends with its run, also where a signal is sent to all processes of a job."""
    ignore_signals()


class ByBatch(Dataset[Batch]):
    """A source whose item is a whole batch."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source.targets)

    def __getitem__(self, indices: list[int]) -> Batch:
        return self.source.read(indices), self.source.targets[torch.as_tensor(indices, dtype=torch.long)]
