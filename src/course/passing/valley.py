"""A stretched valley: two weights whose loss is steep in one and flat in the other, and the path that descent takes."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from encore.callbacks.values import log_step


class Point(nn.Module):
    """Two weights that begin at a given place; with mean squared error and targets of 0, the loss is a paraboloid.

    Inputs [n, 2], outputs [n, 1]: inputs · weights.
    """

    def __init__(self, start: Sequence[float]) -> None:
        super().__init__()
        if len(start) != 2:
            raise ValueError(f"start holds two weights, not {list(start)}")
        self.weights = nn.Parameter(torch.tensor([*start], dtype=torch.float32))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weights[:, None]


class Path(pl.Callback):
    """Log both weights before each step, and how far the step takes each of them, in multiples of its gradient.

    That multiple is the effective learning rate of an optimiser without momentum: `path/rate_0` and `path/rate_1`.
    """

    def on_before_optimizer_step(self, trainer: pl.Trainer, task: pl.LightningModule, optimizer: Optimizer) -> None:
        (self.weights,) = (each for group in optimizer.param_groups for each in group["params"])
        self.before, self.gradient = self.weights.detach().clone(), self.weights.grad.detach().clone()

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        found = {}
        for number in (0, 1):
            found[f"path/w{number}"] = self.before[number].item()
            if gradient := self.gradient[number].item():
                found[f"path/rate_{number}"] = (self.before - self.weights)[number].item() / gradient
        log_step(trainer, found, trainer.global_step - 1)
