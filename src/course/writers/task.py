"""Embeddings in which the digits of one writer are near each other."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from encore.tasks.supervised import Supervised


class Verification(Supervised):
    """Train embeddings by triplets or by classifying the training writers, and score them on other writers.

    Args:
        trained_by: `triplet`, or `classification`: of the training writers, by a softmax over cosines (Wang et al. 2017).
        scale: what cosines are multiplied by before the softmax.
        settings: those of `Supervised`.

    Outputs are embeddings of length 1, [n, width]; targets are writers' numbers, int64 [n]. Whatever they are trained
    by, `val/loss` and `test/loss` are the triplet loss: their writers have no class.
    """

    def __init__(self, trained_by: str = "triplet", scale: float = 16.0, **settings: Any) -> None:
        if trained_by not in ("triplet", "classification"):
            raise ValueError(f"trained_by must be triplet or classification, not {trained_by}")
        if scale <= 0:
            raise ValueError(f"scale must be greater than 0, not {scale}")
        super().__init__(**settings)
        self.trained_by, self.scale = trained_by, scale
        if trained_by == "classification" and getattr(self.net, "head", None) is None:
            raise ValueError("trained_by=classification needs a class for each training writer: model.writers")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return triplet(outputs, targets)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.trained_by == "triplet":
            return triplet(outputs, targets)
        head: Any = self.net.head
        return F.cross_entropy(self.scale * F.linear(outputs, F.normalize(head.weight)), targets)


def triplet(embedded: Tensor, writers: Tensor) -> Tensor:
    """Mean of ln(1 + exp(d⁺ - d⁻)) over digits that have a pair (Hermans et al. 2017, batch hard with soft margin).

    Args:
        embedded: of length 1, [n, width].
        writers: their numbers, [n].

    d⁺ is the distance to the farthest digit of the same writer in the batch, d⁻ that to the nearest of another one. 0
    where there is no such digit.
    """
    distances = (2 - 2 * embedded @ embedded.T).clamp(min=1e-6).sqrt()
    same = writers[:, None] == writers
    itself = torch.eye(len(writers), dtype=torch.bool, device=writers.device)
    farthest = distances.masked_fill(~same | itself, -torch.inf).amax(1)
    nearest = distances.masked_fill(same, torch.inf).amin(1)
    some = farthest.isfinite() & nearest.isfinite()
    return F.softplus(farthest[some] - nearest[some]).mean() if some.any() else 0 * embedded.sum()
