"""Sending values with tensors between ranks, and moving them between devices."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


def by_rank(value: Any) -> list[Any]:
    """Every rank's value, with tensors on the CPU."""
    here = move(value, torch.device("cpu"))
    if not (distributed.is_available() and distributed.is_initialized()):
        return [here]
    gathered: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(gathered, here)
    return gathered


def in_one_message(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Every rank's value of some tensors, which are on one device and have the same shapes and types on all ranks.

    Returns:
        For each tensor, its values by rank.
    """
    held = [tensor.detach().contiguous().flatten().view(torch.uint8) for tensor in tensors]
    packed, sizes = torch.cat(held), [len(part) for part in held]
    every = [torch.empty_like(packed) for _ in range(distributed.get_world_size())]
    distributed.all_gather(every, packed)
    by_tensor = zip(*(of_rank.split(sizes) for of_rank in every), strict=True)
    return [
        [part.clone().view(tensor.dtype).reshape(tensor.shape) for part in parts]
        for tensor, parts in zip(tensors, by_tensor, strict=True)
    ]


def greatest(value: int, device: torch.device) -> int:
    """The maximum over all ranks; `device` is one that their process group can send from."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    held = torch.tensor(value, device=device)
    distributed.all_reduce(held, distributed.ReduceOp.MAX)
    return int(held)


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


def settle_buckets(wrapper: DistributedDataParallel) -> None:
    """Let DDP group gradients before the first step as it does at every later one.

    It regroups them after its first backward pass. The order in which three or more ranks add them up depends on the
    groups, so the first step of a resumed run would otherwise have other bits than the same step of a run in one go.
    """
    net: Any = wrapper.module
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    net.forward = lambda: torch.stack([parameter.sum() for parameter in trained]).sum()
    try:
        wrapper().backward()
    finally:
        del net.forward
    for parameter in trained:
        parameter.grad = None
