"""Magnitude pruning: the smallest weights are set to zero and stay so, while the others train on (Han et al. 2015)."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor


class Magnitude(pl.Callback):
    """Remove a share of the weights of all convolutions and linear layers together, before the first step.

    Args:
        share: of the weights, the smallest in absolute value; biases and norms stay.
    """

    def __init__(self, share: float = 0.8) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share must be above 0 and below 1, not {share}")
        self.share, self.kept = share, dict[str, Tensor]()

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        weights = prunable(task)
        if not self.kept:
            sizes = torch.cat([weight.detach().abs().flatten() for weight in weights.values()])
            least = sizes.kthvalue(max(1, round(self.share * len(sizes)))).values
            self.kept = {name: weight.detach().abs() > least for name, weight in weights.items()}
        self.apply(task)

    def on_train_batch_end(self, trainer: pl.Trainer, task: pl.LightningModule, *_: Any) -> None:
        self.apply(task)

    @torch.no_grad()
    def apply(self, task: pl.LightningModule) -> None:
        for name, weight in prunable(task).items():
            weight.mul_(self.kept[name].to(weight.device))

    def state_dict(self) -> dict[str, Any]:
        return {"kept": self.kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.kept = state_dict["kept"]


def prunable(task: pl.LightningModule) -> dict[str, Tensor]:
    """The weights of two dimensions and more, by name."""
    return {name: weight for name, weight in task.named_parameters() if weight.ndim > 1}
