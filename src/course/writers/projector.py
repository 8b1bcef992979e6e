"""Embeddings for TensorBoard's projector, which colours them by writer."""

from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from course.writers.verification import Embedded
from encore.errors import CannotWrite

WRITERS = 10  # the projector has so many colours; those with the most digits


def project(found: Embedded, folder: Path) -> None:
    """Write a run's embeddings of test digits, with writers, digits and pictures.

    Raises:
        CannotWrite: the folder cannot be written.
    """
    numbers, counts = np.unique(found.writers, return_counts=True)
    chosen = np.flatnonzero(np.isin(found.writers, numbers[np.argsort(-counts, kind="stable")[:WRITERS]]))
    rows = [[str(found.nist[found.writers[place]]), str(found.digits[place])] for place in chosen]
    try:
        with SummaryWriter(str(folder)) as writer:
            writer.add_embedding(
                torch.from_numpy(found.outputs[chosen]),
                metadata=rows,
                metadata_header=["writer", "digit"],
                label_img=1 - torch.from_numpy(found.pictures[chosen])[:, None].float() / 255,
                tag="test",
            )
    except OSError as problem:
        raise CannotWrite(f"--projector {folder} cannot be written: {problem}") from problem
