"""Small files of MNIST's digits and QMNIST's labels, in which each writer has a hand of his own."""

import gzip
import struct

import numpy as np
from conftest import write_idx

SETTINGS = {"data.sha256": None, "trainer.accelerator": "cpu", "threads": 1}


def labels(digits, writers):
    """QMNIST's file of labels, gzipped."""
    rows = np.zeros((len(digits), 8), ">i4")
    rows[:, 0], rows[:, 2] = digits, writers
    return gzip.compress(struct.pack(">BBBB2I", 0, 0, 12, 2, len(rows), 8) + rows.tobytes(), mtime=0)


def hands(writers, seed=0):
    """Pictures of bars: each writer's slant and stroke width."""
    draw, found = np.random.default_rng(seed), np.zeros((len(writers), 28, 28))
    for picture, writer in zip(found, writers, strict=True):
        for row in range(5, 23):
            middle = 14 + (writer % 5 - 2) * 0.3 * (14 - row) + draw.normal(0, 0.3)
            begin = round(middle - 1 - writer % 4 / 2)
            picture[row, begin : begin + 2 + writer % 4] = draw.integers(200, 256)
    return found.astype(np.uint8)


def made(data_dir, train=None, test=None):
    """A data folder; writers of the digits of both sets, 24 digits for each of ten writers unless given."""
    train = np.repeat(np.arange(10), 24) if train is None else np.asarray(train)
    test = np.repeat(np.arange(2400, 2406), 24) if test is None else np.asarray(test)
    (data_dir / "QMNIST" / "raw").mkdir(parents=True)
    for part, name, writers in (("train", "train", train), ("t10k", "test", test)):
        digits = np.arange(len(writers)) % 10
        write_idx(data_dir / "MNIST" / "raw", part, hands(writers), digits)
        (data_dir / "QMNIST" / "raw" / f"qmnist-{name}-labels-idx2-int.gz").write_bytes(labels(digits, writers))
    return data_dir
