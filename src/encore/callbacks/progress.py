"""Progress on a terminal and in train.log."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from tqdm import tqdm

from encore.fast.execution import batch_loss
from encore.terminal import draws_bars

log = logging.getLogger("encore")


class Progress(pl.Callback):
    """A bar over all steps with loss and accuracy; without a terminal, a line at intervals.

    Args:
        seconds_between: minimum between two lines without a terminal. train.log gets every epoch's line, unless there
            are many per second.
    """

    def __init__(self, seconds_between: float = 10.0) -> None:
        self.seconds_between = seconds_between
        self.bar: Any = None
        self.kept = self.read = 0.0

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        """Any step will do."""
        return None

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Start the bar where the run stands."""
        if not trainer.is_global_zero:
            return
        batches = int(trainer.num_training_batches)
        epochs = trainer.max_epochs or 1
        self.first = trainer.current_epoch
        self.started = self.shown = time.monotonic()
        self.bar = tqdm(
            total=epochs * batches,
            initial=min(place(trainer), epochs * batches),
            unit=" steps",
            dynamic_ncols=True,
            leave=False,
            disable=not draws_bars(),
            bar_format="{desc}{percentage:3.0f}% {bar} {elapsed} < {remaining}{postfix}",
        )

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Report the previous epoch: its results are complete only now."""
        if self.bar is None:
            return
        if trainer.current_epoch > self.first:
            self.tell(trainer, self.seconds_between)
        self.bar.set_description_str(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs} ", refresh=False)

    def tell(self, trainer: pl.Trainer, seconds_between: float) -> None:
        """Write a line on the finished epoch to train.log, and to the output if there is no bar."""
        now = time.monotonic()
        done = trainer.fit_loop.epoch_progress.current.completed
        line = f"epoch {done}/{trainer.max_epochs}{epoch_means(trainer)}  {now - self.started:.0f} s"
        if self.bar.disable and now - self.shown >= seconds_between:
            self.shown = now
            log.info(line)
        elif now - self.kept >= min(1.0, seconds_between):
            self.kept = now
            log.debug(line)

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Advance; at intervals show the batch's loss, which waits for the device."""
        if self.bar is None or self.bar.disable:
            return
        self.bar.update(place(trainer) - self.bar.n)
        if index == 0 or time.monotonic() - self.read > 0.5:
            self.read = time.monotonic()
            loss = batch_loss(outputs or {})
            shown = "" if loss is None else f"loss {float(loss):.4f}"
            self.bar.set_postfix_str(f"{shown}{epoch_means(trainer, ('val',))}", refresh=False)

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Report the last epoch and remove the bar."""
        if self.bar is not None:
            self.tell(trainer, 0.0)
            self.close()

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        self.close()

    def close(self) -> None:
        """Leave a clean line."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def place(trainer: pl.Trainer) -> int:
    """Number of batches begun."""
    batches = int(trainer.num_training_batches)
    return trainer.current_epoch * batches + trainer.fit_loop.epoch_loop.batch_progress.current.ready


def epoch_means(trainer: pl.Trainer, splits: Sequence[str] = ("train", "val")) -> str:
    """The last epoch's means, as `  train loss 0.1 accuracy 0.9  val …`."""
    parts = []
    for split in splits:
        means = {name: value for name, value in trainer.callback_metrics.items() if name.startswith(f"{split}/")}
        shown = " ".join(f"{name.split('/', 1)[1]} {float(value):.4f}" for name, value in means.items())
        if shown:
            parts.append(f"  {split} {shown}")
    return "".join(parts)
