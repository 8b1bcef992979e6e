"""An order that needs few shards at a time, for a dataset whose shards are fetched while the first epoch goes on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from encore.data.contract import Source
from encore.data.loaders import Order
from encore.data.packed.reader import Packed
from encore.errors import ConfigError
from encore.seeding import derive


@dataclass(frozen=True)
class ShardOrder(Order):
    """Shards in an order of the seed and the epoch, a window of them at a time, whose examples are shuffled."""

    starts: Tensor | None = None  # the number of each shard's first example
    window: int = 1

    def of_epoch(self, epoch: int) -> Tensor:
        assert self.starts is not None
        assert self.seed is not None
        generator = torch.Generator().manual_seed(derive(self.seed, "shards", epoch))
        shards = torch.randperm(len(self.starts), generator=generator)
        rank = torch.empty_like(shards)
        rank[shards] = torch.arange(len(shards))
        windows = rank[torch.searchsorted(self.starts, self.indices, right=True) - 1] // self.window
        shuffled = torch.randperm(len(self.indices), generator=generator)
        return self.indices[shuffled[windows[shuffled].argsort(stable=True)]]


def by_shard(order: Order, source: Source, window: int = 4) -> ShardOrder:
    """`data.order` of a packed dataset.

    Args:
        order: the usual one.
        source: the examples.
        window: shards that are shuffled together; more of them mix better, and more are fetched before the first batch.

    Raises:
        ConfigError: the dataset is not packed, or its order is not shuffled.
    """
    packed = getattr(source, "dataset", None)
    if not isinstance(packed, Packed):
        raise ConfigError("data.order: only a packed dataset has shards (data=packed)")
    if order.seed is None or window < 1:
        raise ConfigError(f"data.order: shards are shuffled (data.shuffle=true), at least one at a time, not {window}")
    return ShardOrder(**vars(order), starts=torch.from_numpy(packed.starts[:-1]), window=window)
