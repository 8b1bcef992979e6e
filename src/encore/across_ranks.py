"""Sending values with tensors between ranks, and moving them between devices."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")


def by_rank(value: Any) -> list[Any]:
    """Every rank's value, with tensors on the CPU."""
    here = move(value, torch.device("cpu"))
    if not (distributed.is_available() and distributed.is_initialized()):
        return [here]
    gathered: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(gathered, here)
    return gathered


def from_first(read: Callable[[], T]) -> T:
    """What the first rank reads: the others need not see its files."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return read()
    held = [read() if distributed.get_rank() == 0 else None]
    distributed.broadcast_object_list(held)
    return held[0]  # type: ignore[return-value]


def move(value: Any, device: torch.device) -> Any:
    """A copy of plain values with their tensors on a device."""
    if isinstance(value, dict):
        return {key: move(item, device) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(move(item, device) for item in value)
    return value.to(device, copy=True) if isinstance(value, Tensor) else value
