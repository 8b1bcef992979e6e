"""Checkpoints: the last state, to go on from, and the best weights, to test and to use."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from encore.errors import ConfigError, InputError
from encore.record.checkpoint_files import BEST, LAST, load, save
from encore.speed import give_back_memory

# A checkpoint takes at most this part of the time since the one before.
SHARE = 0.01


class Checkpoints(Checkpoint):
    """Keep `last.ckpt`, the one before it and `best.ckpt` in the run's folder.

    The state is saved at the end of an epoch, when its validation, schedules and logs are done, and within an epoch
    between two optimiser steps, if it is long. Best weights that are not on disk yet travel inside last.ckpt.

    Args:
        monitor: metric that the best weights are chosen by; the first of equals is kept. Where there is no such
            metric, for want of a validation set, the last weights are the best.
        mode: `min` or `max`.
        every_n_steps: save after so many optimiser steps, too; null does not.
        every_n_minutes: save after so much time, too; null does not.
        min_seconds_between: between two writings to disk. It is more where a writing takes long: checkpoints
            take a hundredth of a run's time at most. 0 saves at the end of every epoch, whatever it costs.
    """

    def __init__(
        self,
        monitor: str,
        mode: str,
        every_n_steps: int | None = None,
        every_n_minutes: float | None = 5.0,
        min_seconds_between: float = 5.0,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be min or max, not {mode!r}")
        self.monitor, self.mode = monitor, mode
        self.every_n_steps, self.every_n_minutes = every_n_steps, every_n_minutes
        self.min_seconds_between = min_seconds_between
        self.best: dict[str, Any] = {}
        self.best_weights: dict[str, Tensor] | None = None
        self.folder = Path()
        self.saved, self.cost = 0.0, 0.0
        self.whole = 0
        self.step: int | None = None  # that the last checkpoint stands at
        self.uncounted: str | None = None

    def setup(self, trainer: pl.Trainer, task: pl.LightningModule, stage: str) -> None:
        """Find the folder."""
        self.folder = Path(trainer.default_root_dir) / "checkpoints"
        self.trainer = trainer

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Epochs that came with a checkpoint need not be chosen from again; within the first, count from now on."""
        self.saved = time.monotonic()
        self.step = trainer.global_step or None
        self.whole = trainer.fit_loop.epoch_progress.current.completed

    def epoch_is_over(self, trainer: pl.Trainer, task: pl.LightningModule) -> bool:
        """Choose from the epoch before; whether there is one to be saved."""
        over = trainer.current_epoch > self.whole
        if over:
            self.whole = trainer.current_epoch
            self.choose(trainer, task)
        return over

    def due(self, trainer: pl.Trainer, within_epoch: bool) -> bool:
        """Whether enough steps or time have passed."""
        seconds = time.monotonic() - self.saved
        if not within_epoch and not self.cost:
            return True  # a run of short epochs is soon worth having, too
        if self.min_seconds_between and seconds < max(self.min_seconds_between, self.cost / SHARE):
            return False
        if not within_epoch:
            return True
        if self.every_n_steps is not None and trainer.global_step % self.every_n_steps == 0:
            return True
        return self.every_n_minutes is not None and seconds >= 60 * self.every_n_minutes

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Save the last epoch."""
        if trainer.fit_loop.epoch_progress.current.completed > self.whole:
            self.choose(trainer, task)
        self.save(trainer, task)

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        """The state is in no order to be saved, but the best weights are known."""
        full = isinstance(exception, OSError)  # the disk, perhaps
        if trainer.is_global_zero and not full:
            self.save_best(task)

    def choose(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Keep the weights if they are the best yet."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is not None and self.best and not self.better(float(value), self.best["value"]):
            return
        self.best = {
            "epoch": trainer.fit_loop.epoch_progress.current.completed - 1,
            "step": trainer.global_step - 1,
            "monitor": self.monitor if value is not None else None,
            "value": float(value) if value is not None else None,
        }
        self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in task.state_dict().items()}

    def better(self, value: float, best: float | None) -> bool:
        """Whether a value is strictly better."""
        if best is None:
            return True
        return value < best if self.mode == "min" else value > best

    def save(self, trainer: pl.Trainer, task: pl.LightningModule, uncounted: str | None = None) -> None:
        """Write the state, and the best weights if they are not on disk yet."""
        began, self.uncounted = time.monotonic(), uncounted
        try:
            trainer.save_checkpoint(self.folder / LAST)
        finally:
            self.uncounted = None
        if trainer.is_global_zero:
            if not self.cost:
                check_plain(self.folder / LAST)
            self.save_best(task)
        give_back_memory()
        self.step = trainer.global_step
        self.saved = time.monotonic()
        self.cost = self.saved - began

    def save_best(self, task: pl.LightningModule) -> None:
        """Write the best weights, if they are not on disk yet."""
        if self.best_weights is None or not self.folder.is_dir():
            return
        content = {
            "state_dict": self.best_weights,
            "best": self.best,
            "epoch": self.best["epoch"],
            "global_step": self.best["step"] + 1,
            "hyper_parameters": dict(task.hparams),
            "pytorch-lightning_version": pl.__version__,
        }
        save(content, self.folder / BEST)
        self.best_weights = None

    def on_save_checkpoint(self, trainer: pl.Trainer, task: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Say that the epoch or batch about to begin has not begun, so that Lightning resumes between two of them.

        It counts them as ready before their first hook, and would take an epoch for the one to finish.
        """
        loop = checkpoint["loops"]["fit_loop"]
        if self.uncounted is not None:
            progress = loop["epoch_progress" if self.uncounted == "epoch" else "epoch_loop.batch_progress"]
            for counts in (progress["current"], progress["total"]):
                counts["ready"] = counts["completed"]

    def state_dict(self) -> dict[str, Any]:
        """The choice so far."""
        return {"best": self.best, "best_weights": self.best_weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue a choice; weights that did not travel are in best.ckpt."""
        self.best = state_dict["best"]
        if state_dict["best_weights"] is not None:
            self.best_weights = state_dict["best_weights"]


def check_plain(path: Path) -> None:
    """Raise ConfigError if a checkpoint, once written, could not be gone on from."""
    try:
        load(path)
    except InputError as problem:
        raise ConfigError(
            f"a callback or the task keeps a state that is not tensors and plain values: {problem}"
        ) from problem
