"""Batches of sequences of similar length, in an order that is a function of (seed, epoch) alone."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from encore.data.loaders import Order
from encore.data.named.named_source import NamedSource
from encore.errors import ConfigError
from encore.seeding import derive

POOL = 50  # batches that are sorted together, unless the config says otherwise


@dataclass(frozen=True)
class BucketedOrder(Order):
    """An order that batches sequences of similar length, so that little of a batch is padding.

    The epoch's random order is cut into pools of `pool` batches; each pool is sorted by length and cut into batches;
    then all full batches are shuffled. Without a seed the order stays as it is.
    """

    lengths: Tensor | None = None  # of all examples of the source, int64
    pool: int = POOL

    def of_epoch(self, epoch: int) -> Tensor:
        order = super().of_epoch(epoch)
        if self.seed is None or self.lengths is None:
            return order
        pools = order.split(self.pool * self.batch_size)
        order = torch.cat([pool[self.lengths[pool].argsort(stable=True)] for pool in pools])
        full = len(order) // self.batch_size
        generator = torch.Generator().manual_seed(derive(self.seed, "buckets", epoch))
        batches = order[: full * self.batch_size].view(full, self.batch_size)
        return torch.cat(
            [batches[torch.randperm(full, generator=generator)].flatten(), order[full * self.batch_size :]]
        )


def bucket_settings(data: dict) -> tuple[str, int] | None:
    """The array whose lengths decide, and how many batches are sorted together; None without buckets.

    Raises:
        ConfigError: the setting is something else.
    """
    setting: Any = data.get("bucket")
    if setting is None:
        return None
    if isinstance(setting, str):
        setting = {"by": setting}
    pool = setting.get("pool", POOL) if isinstance(setting, dict) else None
    if not isinstance(setting, dict) or not set(setting) <= {"by", "pool"} or "by" not in setting:
        raise ConfigError(f"data.bucket={setting!r} must name ragged inputs, or be {{by: NAME, pool: BATCHES}}")
    if not isinstance(pool, int) or pool < 1:
        raise ConfigError(f"data.bucket.pool={pool!r} must be a whole number, at least 1")
    return setting["by"], pool


def lengths_of(source: NamedSource, name: str) -> Tensor:
    """Lengths of the sequences with this name in the batch, int64 [n]."""
    ragged = [field for field in source.fields if field.ragged]
    for field in ragged:
        if field.name == name:
            return source.lengths(field)
    has = ", ".join(field.name for field in ragged) or "none"
    raise ConfigError(f"data.bucket={name}: the ragged arrays of data={source.name} are: {has}")
