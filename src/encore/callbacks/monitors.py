"""What is watched while a run trains."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer


class LearningRate(pl.Callback):
    """Log `optim/lr` at every epoch's first step, and every `log_every_n_steps`."""

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        """At the steps that are logged."""
        return trainer.log_every_n_steps  # type: ignore[attr-defined]

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        """Log before the step that uses it."""
        first = index % trainer.accumulate_grad_batches == 0  # of the batches that make the step
        if index == 0 or (first and trainer.global_step % trainer.log_every_n_steps == 0):  # type: ignore[attr-defined]
            log_step(trainer, {"optim/lr": float(trainer.optimizers[0].param_groups[0]["lr"])})


class Norms(pl.Callback):
    """Log the L2 norms of all gradients and of all parameters, before each step that is logged.

    Args:
        every: steps between two; null takes the trainer's `log_every_n_steps`.
    """

    def __init__(self, every: int | None = None) -> None:
        if every is not None and every < 1:
            raise ValueError(f"every must be at least 1, not {every}")
        self.every = every

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        """At the steps that are logged."""
        return self.every or trainer.log_every_n_steps  # type: ignore[attr-defined]

    def on_before_optimizer_step(self, trainer: pl.Trainer, task: pl.LightningModule, optimizer: Optimizer) -> None:
        """Log what the step is taken from: gradients are whole here, and not yet clipped."""
        if trainer.global_step % (self.every or trainer.log_every_n_steps) == 0:  # type: ignore[attr-defined]
            parameters = list(task.parameters())
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            norms = {"optim/grad_norm": norm(gradients), "optim/param_norm": norm(parameters)}
            log_step(trainer, norms)


def norm(tensors: list[Any]) -> float:
    """The L2 norm of several tensors taken together."""
    each = torch._foreach_norm([tensor.detach() for tensor in tensors])
    total: Tensor = torch.linalg.vector_norm(torch.stack(each))
    return total.item()


def log_step(trainer: pl.Trainer, metrics: dict[str, float], step: int | None = None) -> None:
    """Log values at a step; without one, at that which is being taken."""
    for logger in trainer.loggers:
        logger.log_metrics(
            {**metrics, "epoch": trainer.current_epoch}, step=trainer.global_step if step is None else step
        )
