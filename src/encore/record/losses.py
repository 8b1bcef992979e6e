"""Every step's loss: kept on the device, digested an epoch at a time, and watched for divergence."""

import hashlib
import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from encore.callbacks.monitors import norm
from encore.errors import Diverged

EVERY = 200  # steps between two looks at the device


class Losses(pl.Callback):
    """Keep the losses without waiting for them; raise Diverged with the exact step of one that is not finite.

    `sha256` chains the digests of the epochs' losses, float32 in their order, so that it can be continued.
    """

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256().hexdigest()
        self.unseen: list[tuple[Tensor, int, float]] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Begin the epoch's digest with the one before."""
        self.digest = hashlib.sha256(bytes.fromhex(self.sha256))

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        """Note what the step is taken with."""
        self.step = trainer.global_step
        self.lr = float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else math.nan

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Keep the loss; look at those not yet seen now and then, and at the end of the epoch."""
        loss = outputs.get("batch_loss", outputs["loss"]).detach()
        self.unseen.append((loss, self.step, self.lr))
        if len(self.unseen) >= EVERY or trainer.is_last_batch:
            self.look(trainer)
        first = index % trainer.accumulate_grad_batches == 0  # of the batches that make the step
        if first and self.step % trainer.log_every_n_steps == 0 and trainer.loggers:  # type: ignore[attr-defined]
            log_batch_loss(trainer, loss, self.step)

    def look(self, trainer: pl.Trainer) -> None:
        """Digest what has not been seen; raise Diverged at the first loss that is not finite."""
        if not self.unseen:
            return
        losses = torch.stack([loss for loss, _, _ in self.unseen]).float()
        losses = trainer.strategy.reduce(losses, reduce_op="mean").cpu()  # of all ranks: they go on or stop together
        for place in (~losses.isfinite()).nonzero()[:1].flatten().tolist():
            _, step, lr = self.unseen[place]
            raise Diverged(advice(f"the loss is {losses[place]:g}", step, trainer.current_epoch, lr))
        self.digest.update(losses.numpy().tobytes())
        self.unseen.clear()

    def on_validation_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Weights that no longer give a finite validation loss have diverged, too."""
        loss = float(trainer.callback_metrics.get("val/loss", 0.0))
        if trainer.state.fn == "fit" and not math.isfinite(loss):
            raise Diverged(advice(f"the validation loss is {loss:g}", self.step, trainer.current_epoch, self.lr))

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Chain the epoch's losses to those before; the last step can break what its own loss did not show."""
        self.look(trainer)
        self.sha256 = self.digest.hexdigest()
        if not math.isfinite(norm(list(task.parameters()))):
            raise Diverged(advice("the weights are not finite", self.step, trainer.current_epoch, self.lr))

    def state_dict(self) -> dict[str, Any]:
        """The chain so far."""
        return {"sha256": self.sha256}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue a chain."""
        self.sha256 = state_dict["sha256"]


def advice(what: str, step: int, epoch: int, lr: float) -> str:
    """What diverged, where (counted from 0, as in metrics.csv), and what may help."""
    return (
        f"{what} at step {step} of epoch {epoch} (both counted from 0), with the learning rate at {lr:g}\n"
        "try a smaller optim.lr, or trainer.gradient_clip_val=1"
    )


def log_batch_loss(trainer: pl.Trainer, loss: Tensor, step: int) -> None:
    """Log one batch's loss at its step."""
    for logger in trainer.loggers:
        logger.log_metrics({"train/batch_loss": loss.item(), "epoch": trainer.current_epoch}, step=step)
