"""Every step's loss: kept on the device, written in order, and checked for divergence."""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from encore.callbacks.values import log_step, norm
from encore.errors import Diverged, InputError
from encore.fast.execution import batch_loss
from encore.files import append, make_durable, read_whole, replace
from encore.record.lock import check_held

EVERY = 200  # steps between two looks at the device
FILE = "losses.f32"
TYPE = "<f4"
MOST = 2**28  # losses of a run of which it is not known how many it has: 1 GiB


class Losses(pl.Callback):
    """Keep losses without waiting for the device; raise Diverged with the exact step of a non-finite loss.

    The file `losses.f32` holds the loss of every training batch, little-endian float32, and nothing else.
    """

    beginning = 0  # its position before the first step

    told = False  # True if the execution reports losses itself; else every batch's output is read

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self.written = 0
        self.hash = hashlib.sha256()
        self.unseen: list[tuple[Tensor, int, float]] = []
        self.step, self.lr = -1, math.nan

    @property
    def sha256(self) -> str:
        return self.hash.hexdigest()

    def on_fit_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.trainer = trainer

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        """Any step will do: losses arrive without it."""
        return None

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        """Note the optimiser step and the learning rate before the step."""
        if not self.told:
            lr = float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else math.nan
            self.began = trainer.global_step, lr

    def add(self, loss: Tensor, step: int, lr: float) -> None:
        """Keep a batch's loss with its optimiser step and learning rate; log a step's first at intervals."""
        first = step != self.step  # of the batches that make the step
        self.unseen.append((loss, step, lr))
        self.step, self.lr = step, lr
        if len(self.unseen) >= EVERY:
            self.look()
        if first and step % self.trainer.log_every_n_steps == 0 and self.trainer.loggers:  # type: ignore[attr-defined]
            log_step(self.trainer, {"train/batch_loss": loss.item()}, step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Keep a batch's loss, if the task returns one; check pending losses at the end of the epoch."""
        if not self.told and outputs and (loss := batch_loss(outputs)) is not None:
            self.add(loss, *self.began)
        if trainer.is_last_batch:
            self.look()

    def look(self) -> None:
        """Write pending losses; raise Diverged at the first non-finite one."""
        if not self.unseen:
            return
        trainer = self.trainer
        losses = torch.stack([loss for loss, _, _ in self.unseen]).float()
        losses = trainer.strategy.reduce(
            losses, reduce_op="mean"
        ).cpu()  # over all ranks: they continue or stop together
        self.keep(losses, [(step, lr) for _, step, lr in self.unseen])
        self.unseen.clear()

    def keep(self, losses: Tensor, places: Sequence[tuple[int, float]]) -> None:
        """Write losses, float32 [batches] on the CPU, with the step and learning rate of each.

        Raises:
            Diverged: one is not finite.
        """
        content = losses.numpy().astype(TYPE).tobytes()
        if self.trainer.is_global_zero:
            check_held(self.file.parent)
            append(self.file, content)
        self.hash.update(content)
        self.written += len(losses)
        for place in (~losses.isfinite()).nonzero()[:1].flatten().tolist():
            step, lr = places[place]
            raise Diverged(advice(f"the loss is {losses[place]:g}", step, self.trainer.current_epoch, lr))

    def on_validation_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Weights without a finite validation loss have diverged, too."""
        loss = float(trainer.callback_metrics.get("val/loss", 0.0))
        if trainer.state.fn == "fit" and not math.isfinite(loss):
            raise Diverged(advice(f"the validation loss is {loss:g}", self.step, trainer.current_epoch, self.lr))

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """The last step can break the weights without showing it in its own loss."""
        self.look()
        self.check_weights(task)

    def check_weights(self, task: pl.LightningModule) -> None:
        """Raise Diverged if a weight is not finite."""
        if not math.isfinite(norm(list(task.parameters()))):
            raise Diverged(advice("the weights are not finite", self.step, self.trainer.current_epoch, self.lr))

    def position(self) -> int:
        """Number of losses, all of them on disk; raise Diverged if the state is not worth saving."""
        self.look()
        self.check_weights(self.trainer.lightning_module)
        if self.trainer.is_global_zero and self.written:
            make_durable(self.file)
        return self.written

    def restore(self, position: int, source: Path) -> None:
        """Restore the losses that the file of a folder had at a position.

        Raises:
            InputError: the file has fewer.
        """
        content = read(source)[:position].tobytes() if position else b""
        if len(content) < position * np.dtype(TYPE).itemsize:
            raise InputError(f"{source / FILE} is truncated: it holds fewer than {position} losses")
        self.written, self.hash = position, hashlib.sha256(content)
        replace(self.file, content)


def read(folder: Path, batches: int = MOST) -> np.ndarray:
    """The loss of every training batch of a run, float32 [batches].

    Args:
        folder: the run's.
        batches: that it has, at most.

    Raises:
        InputError: there are none, or more than that.
    """
    size = np.dtype(TYPE).itemsize
    content = read_whole(folder / FILE, batches * size)
    return np.frombuffer(content[: len(content) // size * size], TYPE)


def advice(what: str, step: int, epoch: int, lr: float) -> str:
    """What diverged, where (counted from 0, as in metrics.csv), and what may help."""
    return (
        f"{what} at step {step} of epoch {epoch} (both counted from 0), with the learning rate at {lr:g}\n"
        "try a smaller optim.lr, or trainer.gradient_clip_val=1"
    )
