"""MNIST's files, read without a second copy in memory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encore.config.build import locate

# Types of numbers by their codes: QMNIST's labels are integers.
KINDS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@contextmanager
def reading_once(target: str) -> Iterator[None]:
    """Make torchvision read files of MNIST's format with `read_idx`."""
    if not target.startswith("torchvision."):
        yield
        return
    from torchvision.datasets import mnist

    plain = mnist.read_sn3_pascalvincent_tensor
    mnist.read_sn3_pascalvincent_tensor = read_idx
    try:
        yield
    finally:
        mnist.read_sn3_pascalvincent_tensor = plain


@contextmanager
def raw_files_only(target: str) -> Iterator[None]:
    """Let torchvision read the files whose digests are known, and not what an old version of it made of them."""
    locate(target)
    mnist = sys.modules.get("torchvision.datasets.mnist")  # also where the target is a subclass of somebody's own
    if mnist is None:
        yield
        return
    plain = mnist.MNIST._check_legacy_exist
    mnist.MNIST._check_legacy_exist = lambda dataset: False
    try:
        yield
    finally:
        mnist.MNIST._check_legacy_exist = plain


def read_idx(path: str, strict: bool = True) -> Tensor:
    """A file of MNIST's format, [n, …] or [n], as torchvision's reader returns it, without a second copy."""
    with Path(path).open("rb") as stream:
        _, _, kind, dimensions = stream.read(4)
        shape = np.fromfile(stream, ">i4", dimensions).tolist()
        values = np.fromfile(stream, KINDS[kind])
    assert len(values) == prod(shape)
    return torch.from_numpy(values.astype(values.dtype.newbyteorder("="), copy=False)).view(shape)
