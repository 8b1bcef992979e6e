"""Gathering values with tensors from all ranks, and moving them between devices."""

from typing import Any

import torch
from torch import Tensor, distributed


def by_rank(value: Any) -> list[Any]:
    """Every rank's value, with tensors on the CPU."""
    here = move(value, torch.device("cpu"))
    if not (distributed.is_available() and distributed.is_initialized()):
        return [here]
    gathered: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(gathered, here)
    return gathered


def move(value: Any, device: torch.device) -> Any:
    """A copy of plain values with their tensors on a device."""
    if isinstance(value, dict):
        return {key: move(item, device) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(move(item, device) for item in value)
    return value.to(device, copy=True) if isinstance(value, Tensor) else value
