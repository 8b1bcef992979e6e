"""What sets of digits tell of their writer, as metrics."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from course.writers.pairs import draw, nearness, rates

EACH = 10  # pairs of either kind for each writer
ROUNDS = 10  # partitions of each writer's digits


class Collected(Metric):
    """Keeps what it is given until the epoch's end."""

    outputs: list[Tensor]
    writers: list[Tensor]
    higher_is_better = True

    def __init__(self, k: int) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        self.k = k
        self.add_state("outputs", [], dist_reduce_fx="cat")
        self.add_state("writers", [], dist_reduce_fx="cat")

    def update(self, outputs: Tensor, writers: Tensor) -> None:
        self.outputs.append(outputs)
        self.writers.append(writers)

    def held(self) -> tuple[np.ndarray, np.ndarray]:
        held: Any = (self.outputs, self.writers)
        outputs, writers = (dim_zero_cat(each).cpu() for each in held)
        return outputs.float().numpy(), writers.numpy()


class SameWriter(Collected):
    """Area under the ROC curve of telling pairs of k digits by one writer from those by two; 0.5 without pairs."""

    def compute(self) -> Tensor:
        outputs, writers = self.held()
        try:
            pairs = draw(writers, self.k, EACH)
        except ValueError:
            return torch.tensor(0.5)
        area, _ = rates(nearness(outputs, pairs), pairs.same, np.ones((1, len(pairs.left))))
        return torch.tensor(float(area[0]))


class KnownWriter(Collected):
    """How often k digits of one writer, whose log-probabilities are added, are given to that writer.

    Each writer's digits are cut into sets of k ten times over; those with fewer than k are left out, and without any
    set it is 0. Outputs are logits [n, writers].
    """

    def compute(self) -> Tensor:
        outputs, writers = self.held()
        logs = torch.from_numpy(outputs).log_softmax(1).numpy()
        generator, hits = np.random.default_rng(0), []
        for name in np.unique(writers):
            digits = np.flatnonzero(writers == name)
            for _ in range(ROUNDS):
                sets = generator.permutation(digits)[: len(digits) // self.k * self.k].reshape(-1, self.k)
                hits += (logs[sets].sum(1).argmax(1) == name).tolist()
        return torch.tensor(float(np.mean(hits)) if hits else 0.0)
