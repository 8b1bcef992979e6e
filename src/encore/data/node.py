"""Examples that several ranks of one machine hold in memory once: one of them reads, the others map what it has read.

The memory is a file without a name (memfd), which ends with the processes that hold it, however they end.
"""

import io
import logging
import mmap
import os
import pickle
import secrets
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from encore.data.contract import Source

log = logging.getLogger("encore")

SMALL = 4096  # bytes of an array that each rank may have for itself
ALIGNED = 64  # bytes; at the start of every array
TOKEN = 16  # bytes, by which a rank knows that it has found what it was told of


class Line(Protocol):
    """How ranks talk, as `encore.runner.together.Group` lets them."""

    def tell(self, key: str, value: Any) -> None: ...

    def hear(self, *keys: str) -> Any: ...


class Node:
    """One machine's ranks, which read the same sources in the same order.

    Args:
        number: of the machine.
        reads: whether this rank is the one that reads.
        line: to the other ranks.
    """

    def __init__(self, number: int, reads: bool, line: Line) -> None:
        self.number, self.reads, self.line = number, reads, line
        self.count = 0  # of the sources read
        self.files: list[int] = []
        weakref.finalize(self, release, self.files)

    def source(self, open_source: Callable[[], Source]) -> Source:
        """A source that is read once on this machine, if it is in memory and the system can share it.

        Raises:
            InputError: it cannot be used.
        """
        key = f"data/{self.number}/{self.count}"
        self.count += 1
        own = None
        if self.reads:
            own = open_source()
            self.line.tell(key, None if own.tensors() is None else self.offer(own))
        found: Source | None = mapped(self.line.hear(key))
        return found or own or open_source()

    def offer(self, source: Source) -> dict[str, Any] | None:
        """Copy a source where other processes can map it; None if that cannot be done here."""
        try:
            file, told = written(source)
        except (OSError, AttributeError, TypeError, pickle.PickleError) as problem:  # AttributeError: no Linux
            log.debug("each rank reads the data itself: %s", problem)
            return None
        self.files.append(file)
        return told

    def release(self) -> None:
        """Let go of what all ranks have mapped by now: it lives as long as one of them has it."""
        release(self.files)


here: ContextVar[Node | None] = ContextVar("here", default=None)


def release(files: list[int]) -> None:
    while files:
        os.close(files.pop())


class Packer(pickle.Pickler):
    """Pickles a value without its large arrays, which are listed with their places."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.arrays: list[tuple[int, np.ndarray]] = []
        self.known: dict[int, tuple[Any, ...]] = {}
        self.held: list[Any] = []  # whose ids these are
        self.end = 0

    def persistent_id(self, value: Any) -> Any:
        if id(value) in self.known:
            return self.known[id(value)]
        if isinstance(value, Tensor) and value.device.type == "cpu" and not value.requires_grad:
            content = value.contiguous().flatten().view(torch.uint8).numpy() if value.numel() else np.empty(0, np.uint8)
        elif type(value) is np.ndarray and not value.dtype.hasobject and value.size:
            content = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        else:
            return None
        if content.nbytes < SMALL:
            return None
        place = self.end
        self.held.append(value)
        self.arrays.append((place, content))
        self.end = -(-(place + content.nbytes) // ALIGNED) * ALIGNED
        self.known[id(value)] = (isinstance(value, Tensor), place, content.nbytes, value.dtype, tuple(value.shape))
        return self.known[id(value)]


class Unpacker(pickle.Unpickler):
    """Reads what `Packer` has written; the arrays lie in the memory that is mapped."""

    def __init__(self, file: io.BytesIO, memory: mmap.mmap, begin: int) -> None:
        super().__init__(file)
        self.memory, self.begin = memory, begin

    def persistent_load(self, known: Any) -> Any:
        is_tensor, place, size, dtype, shape = known
        place += self.begin
        if is_tensor:
            return torch.frombuffer(self.memory, dtype=torch.uint8, count=size, offset=place).view(dtype).reshape(shape)
        return np.frombuffer(self.memory, np.uint8, size, place).view(dtype).reshape(shape)


def written(value: Any) -> tuple[int, dict[str, Any]]:
    """Copy a value into memory of its own: the number of its file, and what another process has to know.

    Raises:
        OSError: there is no room.
        AttributeError: the system has no such memory.
        TypeError, PickleError: the value is tied to this process.
    """
    packed = io.BytesIO()
    packer = Packer(packed)
    packer.dump(value)
    token, words = secrets.token_bytes(TOKEN), packed.getvalue()
    begin = -(-(TOKEN + len(words)) // ALIGNED) * ALIGNED
    size = begin + packer.end
    file = os.memfd_create("encore-data")
    try:
        os.posix_fallocate(file, 0, size)  # which says that there is no room; touching it would end the process
        with mmap.mmap(file, size) as memory:
            memory[: TOKEN + len(words)] = token + words
            whole = np.frombuffer(memory, np.uint8)
            for place, content in packer.arrays:
                whole[begin + place : begin + place + content.nbytes] = content
            del whole
    except BaseException:
        os.close(file)
        raise
    told = {"process": os.getpid(), "file": file, "size": size, "words": len(words), "token": token.hex()}
    return file, told


def mapped(told: dict[str, Any] | None) -> Any:
    """What another process of this machine has written; None if it cannot be found here.

    A write to it changes no other process's.
    """
    if told is None:
        return None
    try:
        with Path(f"/proc/{told['process']}/fd/{told['file']}").open("rb") as file:
            memory = mmap.mmap(file.fileno(), told["size"], access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as problem:
        log.debug("this rank reads the data itself: %s", problem)
        return None
    if memory[:TOKEN].hex() != told["token"]:  # another machine's process of that number
        return None
    begin = -(-(TOKEN + told["words"]) // ALIGNED) * ALIGNED
    return Unpacker(io.BytesIO(memory[TOKEN : TOKEN + told["words"]]), memory, begin).load()
