"""Orders of a stream: read once, task by task, or one window of it again and again."""

from dataclasses import dataclass

import torch
from torch import Tensor

from encore.data.contract import Source
from encore.data.loaders import Order
from encore.data.named.named_source import NamedSource
from encore.errors import ConfigError, InputError


@dataclass(frozen=True)
class TaskByTask(Order):
    """An epoch is a task: its examples, in the stream's order and full batches, are read once."""

    parts: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return min(map(len, self.parts)) // self.batch_size

    def of_epoch(self, epoch: int) -> Tensor:
        return self.parts[epoch][: len(self) * self.batch_size]


def streamed(order: Order, source: Source, epochs: int, window: int | None = None) -> Order:
    """`data.order`: the tasks one after the other, each once; or one of them alone, shuffled anew every epoch.

    Args:
        order: the usual one.
        source: the stream.
        epochs: of the run, `trainer.max_epochs`.
        window: the only task that is read; None: all.

    Raises:
        InputError: the stream ends before `epochs` tasks are read, or a task has no full batch.
        ConfigError: there is no such task.
    """
    parts = parts_of(order, source)
    if window is not None:
        if not 0 <= window < len(parts):
            raise ConfigError(f"data.order.window={window}: the stream has tasks 0 to {len(parts) - 1}")
        return Order(**{**vars(order), "indices": parts[window]})
    if epochs > len(parts):
        raise InputError(
            f"the stream ends after {len(parts)} tasks and is read once: lower trainer.max_epochs={epochs} to that"
        )
    if short := [number for number, part in enumerate(parts) if len(part) < order.batch_size]:
        raise InputError(
            f"task {short[0]} of the stream ends after {len(parts[short[0]])} training examples, before its first "
            f"batch of data.batch_size={order.batch_size}"
        )
    return TaskByTask(**vars(order), parts=parts)


def parts_of(order: Order, source: Source) -> tuple[Tensor, ...]:
    """Each task's training examples, in the stream's order."""
    if not isinstance(source, NamedSource):
        raise ConfigError("data.order: a stream's examples have a task: data.targets.task")
    task = torch.from_numpy(source.labels("task"))
    return tuple(order.indices[task[order.indices] == number] for number in range(int(task.max()) + 1))
