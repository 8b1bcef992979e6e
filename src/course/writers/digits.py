"""MNIST's digits with their writers, whom QMNIST's labels name (Yadav and Bottou 2019)."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course.qmnist import CLASS, WRITER
from encore.errors import ConfigError, InputError
from encore.fast.idx import KINDS

COLUMNS = 8  # of QMNIST's labels
PICTURES, LABELS = Path("MNIST", "raw"), Path("QMNIST", "raw")
REMEDY = "python scripts/fetch_data.py mnist qmnist"


class Digits:
    """Digits and who wrote them.

    Args:
        root: the data folder.
        train: MNIST's training set, or its test set; they have no writer in common.
        known: only so many writers, those of the smallest numbers; None: all.
        fewest: writers with fewer digits are left out.

    Attributes:
        picture: uint8 [n, 28, 28].
        digit: which digit it is, int64 [n].
        writer: who wrote it, numbered from 0 in the order of NIST's numbers, int64 [n].
        nist: NIST's numbers of the writers, int64 [writers].
        left_out: how many writers are left out.

    Raises:
        FileNotFoundError: MNIST or QMNIST's labels are not there.
        InputError: they cannot be read, or do not fit each other; or too few writers are left.
    """

    def __init__(self, root: str, train: bool = True, known: int | None = None, fewest: int = 1) -> None:
        if fewest < 1 or (known is not None and known < 2):
            raise ConfigError(f"fewest must be at least 1, not {fewest}, and known at least 2 or null, not {known}")
        pictures, classes, labels = read(Path(root), train)
        names, of, counts = labels[:, WRITER].unique(return_inverse=True, return_counts=True)
        enough = counts >= fewest
        if int(enough.sum()) < (known or 2):
            raise InputError(
                f"{int(enough.sum())} writers have at least fewest={fewest} digits, and it takes {known or 2}: "
                f"lower data.{'train' if train else 'test'}.fewest"
            )
        self.left_out = int((~enough).sum())
        self.nist = names[enough][:known]
        number = torch.full((len(names),), -1)
        number[torch.isin(names, self.nist)] = torch.arange(len(self.nist))
        writers = number[of]
        kept = (writers >= 0).nonzero().flatten()
        self.picture, self.digit, self.writer = pictures[kept], classes[kept], writers[kept]


def read(root: Path, train: bool) -> tuple[Tensor, Tensor, Tensor]:
    """MNIST's pictures and classes, and QMNIST's labels of the same digits."""
    part = "train" if train else "t10k"
    pictures = unpacked(root / PICTURES / f"{part}-images-idx3-ubyte")
    classes = unpacked(root / PICTURES / f"{part}-labels-idx1-ubyte").long()
    file = root / LABELS / f"qmnist-{'train' if train else 'test'}-labels-idx2-int.gz"
    labels = unpacked(file).long()
    if labels.ndim != 2 or labels.shape[1] != COLUMNS:
        raise InputError(f"{file} has labels of shape {list(labels.shape)}, not [n, {COLUMNS}]: {REMEDY}")
    labels = labels[: len(pictures)]  # QMNIST's test set goes on where MNIST's ends
    if len(labels) != len(pictures) or not torch.equal(labels[:, CLASS], classes):
        raise InputError(f"{file} labels other digits than those in {root / PICTURES}: {REMEDY}")
    return pictures, classes, labels


def unpacked(file: Path) -> Tensor:
    """A file of MNIST's format, gzipped or not, [n, …].

    Raises:
        FileNotFoundError: it is not there.
        InputError: it is truncated or altered.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no {file}: {REMEDY}")
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        kind, dimensions = KINDS[content[2]], content[3]
        shape = np.frombuffer(content, ">i4", dimensions, 4)
        values = np.frombuffer(content, kind, offset=4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, ValueError, LookupError, zlib.error) as problem:
        raise InputError(f"{file} is truncated or altered: {problem}\n{REMEDY}") from problem
    return torch.from_numpy(values.astype(values.dtype.newbyteorder("=")))
