"""A packed dataset: any example is read at once, and only its bytes; memory does not grow with the dataset's bytes."""

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from encore.data.packed.arrow import bounds, flat
from encore.data.packed.places import place_of
from encore.data.pixels import BROKEN, as_array
from encore.data.unchanged import check_same, facts
from encore.errors import InputError


class Packed:
    """The examples that `encore pack` wrote.

    A process holds 16 bytes an example (its target, and where it starts in its shard), and the examples that it was
    asked for last.

    Args:
        path: of the folder, or its address (s3://…, https://…): each shard is then fetched when it is first needed,
            and kept in the cache folder.
        digest: of the index, as `encore pack` says it; required of an address.

    Attributes:
        targets: int64 [n, …] or float32 [n, …].
        classes: their names; None where they have none.
        starts: the number of each shard's first example, and that of all examples, int64 [shards + 1].

    Raises:
        ConfigError: pyarrow is missing, or what fsspec needs for the address.
        InputError: a file is missing, truncated or altered.
    """

    def __init__(self, path: str, digest: str | None = None) -> None:
        self.path, self.place = path, place_of(path, digest)
        self.index = index = self.place.index
        self.classes = None if index.classes is None else list(index.classes)
        self.starts = np.cumsum([0, *(shard.examples for shard in index.shards)])
        self.targets = flat(self.place.file(index.targets)).reshape(-1, *index.target_shape)
        if len(self.targets) != len(self):
            raise InputError(f"{path} has {len(self):,} inputs but {len(self.targets):,} targets: pack it again")
        self.shards: dict[int, Shard] = {}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def digest(self) -> str:
        """What was packed, as one digest."""
        return self.index.digest

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise InputError if examples cannot have this shape."""
        held = self.index.shape
        if held is not None and held != tuple(shape):
            raise InputError(f"{self.path} holds arrays of shape {list(held)}, not data.shape={list(shape)}")
        if held is None and (len(shape) != 3 or shape[0] not in (1, 3)):
            raise InputError(f"{self.path} holds pictures: data.shape must be [1 or 3, height, width]")

    def read_batch(self, indices: Sequence[int], shape: Sequence[int]) -> Tensor:
        """Examples by number: pictures decoded now and resized, or arrays as they are, [k, *shape].

        Raises:
            InputError: a shard is no longer what it was, cannot be fetched, or holds a picture that cannot be decoded.
        """
        numbers = np.asarray(indices, dtype=np.int64)
        stored = self.index.stored
        out = np.empty((len(numbers), *shape), np.uint8 if stored == "files" else stored)
        shards = np.searchsorted(self.starts, numbers, "right") - 1
        for shard in np.unique(shards).tolist():
            chosen = np.flatnonzero(shards == shard)
            contents = self.shard(shard).read(numbers[chosen] - self.starts[shard])
            for place, content in zip(chosen.tolist(), contents, strict=True):
                if stored == "files":
                    out[place] = self.decoded(content, int(numbers[place]), shape)
                else:
                    out[place] = np.frombuffer(content, out.dtype).reshape(shape)
        return torch.from_numpy(out)

    def decoded(self, content: bytes, number: int, shape: Sequence[int]) -> np.ndarray:
        """A picture of a file's content, uint8 [*shape]."""
        try:
            with Image.open(BytesIO(content)) as picture:
                return as_array(picture, shape[0], shape[1:])
        except BROKEN as problem:
            raise InputError(f"example {number} of {self.path} cannot be read as a picture: {problem}") from problem

    def shard(self, number: int) -> "Shard":
        if number not in self.shards:
            self.shards[number] = Shard(self.place.file(self.index.shards[number]))
        return self.shards[number]


class Shard:
    """A shard's file, and where each of its examples lies in it."""

    def __init__(self, file: Path) -> None:
        self.file, self.facts, self.bounds = file, facts(file), bounds(file)

    def read(self, numbers: Iterable[int]) -> Iterator[bytes]:
        """The bytes of examples, by their numbers in the shard.

        It is read, not mapped: a process's memory would seem to grow by what the system keeps of the file.
        """
        check_same(self.file, self.facts)
        with self.file.open("rb", buffering=0) as stream:
            for number in numbers:
                begin, end = self.bounds[number : number + 2].tolist()
                stream.seek(begin)
                yield stream.read(end - begin)
