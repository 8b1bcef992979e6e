"""Batches on the device, in an order that is a function of (seed, epoch) alone."""

import weakref
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from encore.data.normalize import Affine
from encore.data.sources import Source
from encore.seeding import derive
from encore.stopping import ignore_signals

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

    def batches(self, indices: Tensor) -> tuple[Tensor, ...]:
        """This rank's part of every batch of an epoch in that order."""
        batches = indices.split(self.batch_size)[: len(self)]
        return batches if self.world_size == 1 else tuple(b[self.rank :: self.world_size] for b in batches)

    def batch_length(self, batch: int) -> int:
        """Examples in a batch, over all ranks together."""
        return min(self.batch_size, len(self.indices) - batch * self.batch_size)


class Loader:
    """What Lightning iterates over: a split's batches, gathered and normalised on the device.

    Args:
        gather: this rank's raw inputs and targets of an epoch's batches, in order, block by block.
        order: which examples they are.
        normalize: applied to the whole batch at once.
        device: where batches go.
        position: the epoch and the batch in it that is to come first, when it is asked for.
        began: told of every epoch that is begun: its number, and all its indices in their order.
    """

    def __init__(
        self,
        gather: Callable[[tuple[Tensor, ...]], Iterator[Block]],
        order: Order,
        normalize: Affine,
        device: torch.device,
        position: Callable[[], tuple[int, int]],
        began: Callable[[int, Tensor], None] | None = None,
    ) -> None:
        self.gather, self.order, self.position, self.began = gather, order, position, began
        self.normalize, self.device = normalize.to(device), device

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
        for inputs, targets, lengths in self.gather(self.order.batches(indices)[first:]):
            inputs = self.normalize(inputs.to(self.device, non_blocking=True))
            targets = targets.to(self.device, non_blocking=True)
            if len(lengths) == 1:
                yield inputs, targets
            else:
                yield from zip(inputs.split(lengths), targets.split(lengths), strict=True)
            del inputs, targets  # their memory is for the next ones

    def state_dict(self) -> dict:
        """Nothing: where an epoch is entered is known from the trainer's progress. Lightning looks for this."""
        return {}

    def load_state_dict(self, state_dict: dict) -> None:
        """Nothing is to be brought back."""


class Resident:
    """All examples of a source on the device, in their natural type."""

    def __init__(self, source: Source, device: torch.device) -> None:
        everything = getattr(source, "inputs", None)
        self.inputs = (source.read(range(len(source.targets))) if everything is None else everything).to(device)
        self.targets = source.targets.to(device)

    def __call__(self, batches: tuple[Tensor, ...]) -> Iterator[Block]:
        """Gather batches by index, where the examples lie: several small ones at once."""
        if not batches:
            return
        size = len(batches[0]) * self.inputs[0].numel()
        together = max(1, BLOCK // max(1, size)) if size * 4 % ALIGNED == 0 else 1
        lengths = [len(batch) for batch in batches]
        everything = torch.cat(batches).to(self.inputs.device)
        blocks = [lengths[place : place + together] for place in range(0, len(lengths), together)]
        for indices, block in zip(everything.split([sum(block) for block in blocks]), blocks, strict=True):
            # a sixth of the time that self.inputs[indices] takes
            yield self.inputs.index_select(0, indices), self.targets.index_select(0, indices), block


class Streamed:
    """Examples that are read by worker processes as they are needed."""

    def __init__(self, source: Source, num_workers: int, pin_memory: bool) -> None:
        self.source, self.num_workers, self.pin_memory = source, num_workers, pin_memory

    def __call__(self, batches: tuple[Tensor, ...]) -> Iterator[Block]:
        """Read each batch in a worker; they arrive in order."""
        loader = DataLoader(
            ByBatch(self.source),
            sampler=[batch.tolist() for batch in batches],
            batch_size=None,
            num_workers=self.num_workers,
            pin_memory=self.pin_memory,
            generator=torch.Generator(),  # its workers' seeds are not drawn from the run's generator
            worker_init_fn=left_alone,
        )
        for inputs, targets in loader:
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
        return self.source.read(indices), self.source.targets[torch.as_tensor(indices)]
