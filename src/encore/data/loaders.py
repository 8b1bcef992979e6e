"""Batches on the device, in an order that is a function of (seed, epoch) alone."""

import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

from encore.data.batch import Batch
from encore.data.contract import Source
from encore.data.normalize import Affine
from encore.data.workers import read_by_workers, shared
from encore.errors import InputError
from encore.fast.memory import Memory
from encore.seeding import derive

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
