"""Embeddings in which the digits of one writer are near each other."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encore.tasks.supervised import Supervised


class Verification(Supervised):
    """Train embeddings by triplets or by classifying the training writers, and score them on other writers.

    Args:
        trained_by: `triplet`, or `classification` of the training writers, by a softmax of cosines (Wang et al. 2017).
        scale: what cosines are multiplied by.
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
        if trained_by == "classification" and not isinstance(getattr(self.net, "head", None), nn.Linear):
            raise ValueError("trained_by=classification needs a net with a linear layer called head")

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return triplet(outputs, targets, self.scale)

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.trained_by == "triplet":
            return triplet(outputs, targets, self.scale)
        head: Any = self.net.head
        return F.cross_entropy(self.scale * F.linear(outputs, F.normalize(head.weight)), targets)


def triplet(embedded: Tensor, writers: Tensor, scale: float) -> Tensor:
    """Mean of ln(1 + exp(scale · (s⁻ - s⁺))) over a batch's triplets: batch all, soft margin (Hermans et al. 2017).

    Args:
        embedded: of length 1, [n, width].
        writers: their numbers, [n].
        scale: of the cosines.

    s⁺ is the cosine of a digit and another one by the same writer, s⁻ that of it and one by someone else. Without any
    triplet it is 0.
    """
    cosines = scale * embedded @ embedded.T
    same = writers[:, None] == writers
    itself = torch.eye(len(writers), dtype=torch.bool, device=writers.device)
    digit, like = (same & ~itself).nonzero(as_tuple=True)
    differences = cosines[digit] - cosines[digit, like][:, None]  # [pairs, n]
    others = ~same[digit]
    return F.softplus(differences[others]).mean() if others.any() else 0 * embedded.sum()
