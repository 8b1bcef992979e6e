"""The learning rate."""

from typing import Any

import pytorch_lightning as pl

from encore.callbacks.values import log_step


class LearningRate(pl.Callback):
    """Log `optim/lr` at every epoch's first step, and every `log_every_n_steps`."""

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        return trainer.log_every_n_steps  # type: ignore[attr-defined]

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        if not trainer.optimizers:
            return
        first = index % trainer.accumulate_grad_batches == 0  # of the batches that make the step
        if index == 0 or (first and trainer.global_step % trainer.log_every_n_steps == 0):  # type: ignore[attr-defined]
            log_step(trainer, {"optim/lr": float(trainer.optimizers[0].param_groups[0]["lr"])})
