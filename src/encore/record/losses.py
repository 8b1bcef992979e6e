"""Every step's loss: kept on the device, written in their order, and watched for divergence."""

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from encore.callbacks.monitors import log_step, norm
from encore.errors import Diverged, InputError
from encore.execution import batch_loss
from encore.record.files import make_durable, replace

EVERY = 200  # steps between two looks at the device
FILE = "losses.f32"
TYPE = "<f4"


class Losses(pl.Callback):
    """Keep the losses without waiting for them; raise Diverged with the exact step of one that is not finite.

    The file `losses.f32` holds the loss of every training batch, little-endian float32, and nothing else.
    """

    beginning = 0  # its position before the first step

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self.written = 0
        self.hash = hashlib.sha256()
        self.unseen: list[tuple[Tensor, int, float]] = []
        self.step, self.lr = -1, math.nan

    @property
    def sha256(self) -> str:
        """The digest of the file."""
        return self.hash.hexdigest()

    def on_fit_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """See the trainer."""
        self.trainer = trainer

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        """Any step will do: losses come by themselves."""
        return None

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        """Note what a task that steps by itself begins with."""
        if not task.automatic_optimization:
            lr = float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else math.nan
            self.began = trainer.global_step, lr

    def add(self, loss: Tensor, step: int, lr: float) -> None:
        """Keep a batch's loss, with its optimiser step and the learning rate there; log a step's first now and then."""
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
        """Look at those not yet seen at the end of the epoch; a task that steps by itself is seen only here."""
        if not task.automatic_optimization and outputs:
            self.add(batch_loss(outputs), *self.began)
        if trainer.is_last_batch:
            self.look()

    def look(self) -> None:
        """Write what has not been seen; raise Diverged at the first loss that is not finite."""
        if not self.unseen:
            return
        trainer = self.trainer
        losses = torch.stack([loss for loss, _, _ in self.unseen]).float()
        losses = trainer.strategy.reduce(losses, reduce_op="mean").cpu()  # of all ranks: they go on or stop together
        content = losses.numpy().astype(TYPE).tobytes()
        if trainer.is_global_zero:
            with self.file.open("ab") as stream:
                stream.write(content)
        self.hash.update(content)
        self.written += len(losses)
        for place in (~losses.isfinite()).nonzero()[:1].flatten().tolist():
            _, step, lr = self.unseen[place]
            raise Diverged(advice(f"the loss is {losses[place]:g}", step, trainer.current_epoch, lr))
        self.unseen.clear()

    def on_validation_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Weights that no longer give a finite validation loss have diverged, too."""
        loss = float(trainer.callback_metrics.get("val/loss", 0.0))
        if trainer.state.fn == "fit" and not math.isfinite(loss):
            raise Diverged(advice(f"the validation loss is {loss:g}", self.step, trainer.current_epoch, self.lr))

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """The last step can break what its own loss did not show."""
        self.look()
        self.check_weights(task)

    def check_weights(self, task: pl.LightningModule) -> None:
        """Raise Diverged if a weight is not finite."""
        if not math.isfinite(norm(list(task.parameters()))):
            raise Diverged(advice("the weights are not finite", self.step, self.trainer.current_epoch, self.lr))

    def position(self) -> int:
        """How many losses there are, all of them on disk; raise Diverged where the state is not worth keeping."""
        self.look()
        self.check_weights(self.trainer.lightning_module)
        if self.trainer.is_global_zero and self.written:
            make_durable(self.file)
        return self.written

    def restore(self, position: int, source: Path) -> None:
        """Bring back the losses that the file of a folder had at a position.

        Raises:
            InputError: it has not so many.
        """
        content = read(source)[:position].tobytes() if position else b""
        if len(content) < position * np.dtype(TYPE).itemsize:
            raise InputError(f"{source / FILE} is truncated: it holds fewer than {position} losses")
        self.written, self.hash = position, hashlib.sha256(content)
        replace(self.file, content)


def read(folder: Path) -> np.ndarray:
    """The loss of every training batch of a run, float32 [steps].

    Raises:
        InputError: there are none.
    """
    try:
        content = (folder / FILE).read_bytes()
    except OSError as problem:
        raise InputError(f"{folder / FILE} cannot be read: {problem}") from problem
    size = np.dtype(TYPE).itemsize
    return np.frombuffer(content[: len(content) // size * size], TYPE)


def advice(what: str, step: int, epoch: int, lr: float) -> str:
    """What diverged, where (counted from 0, as in metrics.csv), and what may help."""
    return (
        f"{what} at step {step} of epoch {epoch} (both counted from 0), with the learning rate at {lr:g}\n"
        "try a smaller optim.lr, or trainer.gradient_clip_val=1"
    )
