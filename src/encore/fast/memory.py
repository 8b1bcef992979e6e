"""Memory that is reused, and holes in the heap that are returned."""

import ctypes
import os
import sys
from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor


class Memory:
    """A buffer for one tensor after another, reused once nothing refers to the last one any more.

    Allocating anew for every block leaves holes in the heap, ten times its size. The tensors cannot be resized.
    """

    kept = 4  # arrays; batches kept beyond these own their memory

    def __init__(self) -> None:
        self.arrays = [np.empty(0, np.float32)]  # a placeholder

    def __call__(self, shape: Sequence[int]) -> Tensor:
        """An uninitialised float32 tensor [*shape]."""
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
    """Number of references to each array, of which a tensor of it is one."""
    return [sys.getrefcount(array) for array in arrays]


def give_back_memory() -> None:
    """Return holes in the heap to the system, if its C library can: a run leaves some megabytes."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
