"""Batches that hold several digits of each writer in them, as losses of pairs and triplets need."""

from dataclasses import dataclass

import torch
from torch import Tensor

from encore.data.contract import Source
from encore.data.loaders import Order
from encore.errors import ConfigError, InputError
from encore.seeding import derive


@dataclass(frozen=True)
class Together(Order):
    """An order in which `each` examples of one label follow each other."""

    labels: Tensor | None = None  # of all examples of the source, int64
    each: int = 2

    def __len__(self) -> int:
        """Full batches per epoch."""
        assert self.labels is not None
        counts = self.labels[self.indices].bincount()
        return int((counts // self.each).sum()) * self.each // self.batch_size

    def of_epoch(self, epoch: int) -> Tensor:
        """Each label's examples are shuffled and cut into parts of `each`; then the parts are shuffled."""
        assert self.labels is not None
        generator = torch.Generator().manual_seed(derive(self.seed or 0, "together", epoch))
        order = self.indices[torch.randperm(len(self.indices), generator=generator)]
        order = order[self.labels[order].argsort(stable=True)]
        counts = self.labels[order].bincount()
        place = torch.arange(len(order)) - (counts.cumsum(0) - counts)[self.labels[order]]
        whole = place < (counts // self.each * self.each)[self.labels[order]]
        parts = order[whole].view(-1, self.each)
        return parts[torch.randperm(len(parts), generator=generator)].flatten()[: len(self) * self.batch_size]


def together(order: Order, source: Source, each: int) -> Together:
    """`data.order`: batches of `each` examples of every label in them.

    Raises:
        ConfigError: a batch cannot hold whole parts of `each`, or more than one.
        InputError: a label has fewer examples.
    """
    if each < 2 or order.batch_size % each or order.batch_size < 2 * each:
        raise ConfigError(
            f"data.order.each={each} must be at least 2, and data.batch_size={order.batch_size} twice as much or more "
            "and a multiple of it"
        )
    counts = source.targets[order.indices].bincount()
    if few := int(((counts > 0) & (counts < each)).sum()):
        raise InputError(
            f"{few} of {int((counts > 0).sum())} writers have fewer digits than data.order.each={each}: "
            f"data.train.fewest={each} leaves them out"
        )
    return Together(**vars(order), labels=source.targets, each=each)
