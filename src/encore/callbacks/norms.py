"""L2 norms of gradients and parameters."""

import pytorch_lightning as pl
from torch.optim import Optimizer

from encore.callbacks.values import log_step, norm


class Norms(pl.Callback):
    """Log the L2 norms of all gradients and of all parameters, before each step that is logged.

    Args:
        every: interval in steps; null: the trainer's `log_every_n_steps`.
    """

    def __init__(self, every: int | None = None) -> None:
        if every is not None and every < 1:
            raise ValueError(f"every must be at least 1, not {every}")
        self.every = every

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        return self.every or trainer.log_every_n_steps  # type: ignore[attr-defined]

    def on_before_optimizer_step(self, trainer: pl.Trainer, task: pl.LightningModule, optimizer: Optimizer) -> None:
        """Gradients are complete here and not clipped yet."""
        if trainer.global_step % (self.every or trainer.log_every_n_steps) == 0:  # type: ignore[attr-defined]
            parameters = list(task.parameters())
            stepped = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
            held = (parameter.grad for parameter in parameters if id(parameter) in stepped)  # others may be stale
            gradients = [gradient for gradient in held if gradient is not None]
            norms = {"optim/grad_norm": norm(gradients), "optim/param_norm": norm(parameters)}
            log_step(trainer, norms)
