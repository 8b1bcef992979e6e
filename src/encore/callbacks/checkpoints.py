"""Checkpoints: the last state, to resume from, and the best weights, to test and use."""

import logging
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from encore.callbacks.metric_states import is_plain
from encore.errors import ConfigError, InputError
from encore.fast.hooks import overridden
from encore.fast.memory import give_back_memory
from encore.record.checkpoint_files import BEST, LAST, load, save

# Hooks in which a callback or task can swap in other weights for validation, such as an average.
BEFORE_VALIDATION = ("on_validation_start", "on_validation_epoch_start")
AFTER_VALIDATION = ("on_validation_end", "on_validation_epoch_end")
# Modules whose hooks there do not swap weights.
ONLY_LOOK = ("encore.callbacks.progress", "pytorch_lightning.callbacks.progress")
log = logging.getLogger("encore")

# A checkpoint takes at most this share of the time since the previous one.
SHARE = 0.01


class Checkpoints(Checkpoint):
    """Keep `last.ckpt`, the one before it and `best.ckpt` in the run's folder.

    The state is saved at the end of an epoch, after its validation, schedules and logs, and in long epochs also between
    two optimiser steps. Best weights that are not on disk yet travel inside last.ckpt.

    Args:
        monitor: metric that chooses the best weights; of equal values the first wins. Without such a metric, because
            there is no validation set, the last weights count as the best.
        mode: `min` or `max`.
        every_n_steps: also save after this many optimiser steps; null: do not.
        every_n_minutes: also save after this many minutes; null: do not.
        min_seconds_between: minimum between two writes. It is extended if writing is slow, so that checkpoints take at
            most a hundredth of a run's time. 0 saves at the end of every epoch, whatever it costs.
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
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, or null, not {every_n_steps}")
        if every_n_minutes is not None and every_n_minutes <= 0:
            raise ValueError(f"every_n_minutes must be greater than 0, or null, not {every_n_minutes}")
        if min_seconds_between < 0:
            raise ValueError(f"min_seconds_between must be at least 0, not {min_seconds_between}")
        self.monitor, self.mode = monitor, mode
        self.every_n_steps, self.every_n_minutes = every_n_steps, every_n_minutes
        self.min_seconds_between = min_seconds_between
        self.best: dict[str, Any] = {}
        self.best_weights: dict[str, Tensor] | None = None
        self.swapped = False  # whether validation may see other weights than the trained ones
        self.validated: dict[str, Tensor] | None = None  # the weights that it saw, if so
        self.folder = Path()
        self.saved, self.cost = 0.0, 0.0
        self.whole = 0
        self.step: int | None = None  # of the last checkpoint
        self.uncounted: str | None = None
        self.missed = False

    def setup(self, trainer: pl.Trainer, task: pl.LightningModule, stage: str) -> None:
        self.folder = Path(trainer.default_root_dir) / "checkpoints"
        self.trainer = trainer

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Epochs restored from a checkpoint have been compared already; in the first epoch, count from here."""
        self.saved = time.monotonic()
        self.step = trainer.global_step or None
        self.whole = trainer.fit_loop.epoch_progress.current.completed
        self.swapped = any(map(shows_other_weights, [task, *trainer.callbacks]))  # type: ignore[attr-defined]

    def on_validation_batch_start(
        self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Copy the weights that validation sees, if they may differ from the trained ones: its metrics are theirs."""
        if self.swapped and batch_idx == dataloader_idx == 0 and trainer.state.fn == "fit":
            self.validated = copied(trainer)

    def epoch_is_over(self, trainer: pl.Trainer, task: pl.LightningModule) -> bool:
        """Compare the epoch that just ended; return whether there is one to save."""
        over = trainer.current_epoch > self.whole
        if over:
            self.whole = trainer.current_epoch
            self.choose(trainer, task)
        return over

    def due(self, trainer: pl.Trainer, within_epoch: bool) -> bool:
        """Whether enough steps or time have passed since the last save."""
        seconds = time.monotonic() - self.saved
        if not within_epoch and not self.cost:
            return True  # even a run of short epochs is soon worth saving
        if self.min_seconds_between and seconds < max(self.min_seconds_between, self.cost / SHARE):
            return False
        if not within_epoch:
            return True
        if self.every_n_steps is not None and trainer.global_step % self.every_n_steps == 0:
            return True
        return self.every_n_minutes is not None and seconds >= 60 * self.every_n_minutes

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if trainer.fit_loop.epoch_progress.current.completed > self.whole:
            self.choose(trainer, task)
        self.save(trainer, task)

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        """Save the best weights only: the rest of the state may be inconsistent."""
        full = isinstance(exception, OSError)  # perhaps the disk is full
        if trainer.is_global_zero and not full:
            self.save_best(task)

    def choose(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Keep the weights if they are the best so far."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is not None and self.best and not self.better(float(value), self.best["value"]):
            return
        if value is None and trainer.fit_loop.epoch_loop.val_loop._has_run and not self.missed:
            self.missed, known = True, ", ".join(sorted(trainer.callback_metrics)) or "nothing"
            log.warning("%s is not logged, so the last weights count as the best; logged: %s", self.monitor, known)
        self.note(trainer, value)
        self.best_weights = copied(trainer) if self.validated is None else self.validated

    def note(self, trainer: pl.Trainer, value: Any) -> None:
        """Note that the weights are the best by now, with their value of the monitored metric, if there is one."""
        self.best = {
            "epoch": trainer.fit_loop.epoch_progress.current.completed - 1,
            "step": trainer.global_step - 1,
            "monitor": self.monitor if value is not None else None,
            "value": float(value) if value is not None else None,
        }

    def better(self, value: float, best: float | None) -> bool:
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
            if not self.cost and not getattr(trainer.strategy.checkpoint_io, "readable", False):
                check_plain(self.folder / LAST)
            self.save_best(task)
        give_back_memory()
        self.step = trainer.global_step
        self.saved = time.monotonic()
        self.cost = self.saved - began

    def save_best(self, task: pl.LightningModule) -> None:
        """Write the best weights if they are not on disk yet."""
        if self.best_weights is None or not self.folder.is_dir():
            return
        content = {
            "state_dict": self.best_weights,
            "best": self.best,
            "epoch": self.best["epoch"],
            "global_step": self.best["step"] + 1,
            "hyper_parameters": {name: value for name, value in task.hparams.items() if is_plain(value)},
            "pytorch-lightning_version": pl.__version__,
        }
        save(content, self.folder / BEST)
        self.best_weights = None

    def on_save_checkpoint(self, trainer: pl.Trainer, task: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Mark the next epoch or batch as not started, so that Lightning resumes between two of them.

        Lightning counts them as ready before their first hook, and would mistake the epoch for one to be finished.
        """
        loop = checkpoint["loops"]["fit_loop"]
        if self.uncounted is not None:
            progress = loop["epoch_progress" if self.uncounted == "epoch" else "epoch_loop.batch_progress"]
            for counts in (progress["current"], progress["total"]):
                counts["ready"] = counts["completed"]

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_weights": self.best_weights, "validated": self.validated}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue a choice; best weights that are not in the checkpoint are in best.ckpt."""
        self.best, self.validated = state_dict["best"], state_dict.get("validated")
        if state_dict["best_weights"] is not None:
            self.best_weights = state_dict["best_weights"]


def copied(trainer: pl.Trainer) -> dict[str, Tensor]:
    """A copy of the task's weights on the CPU; of sharded ones on the first rank, for which all have to call it."""
    held = trainer.strategy.lightning_module_state_dict()
    return {name: tensor.detach().cpu().clone() for name, tensor in held.items()}


def shows_other_weights(part: Any) -> bool:
    """Whether a callback or task may swap in other weights for validation."""
    if type(part).__module__.startswith(ONLY_LOOK):
        return False
    return bool(overridden(part, BEFORE_VALIDATION) and overridden(part, AFTER_VALIDATION))


def check_plain(path: Path) -> None:
    """Raise ConfigError if a run could not be resumed from a checkpoint with this state."""
    try:
        load(path)
    except InputError as problem:
        raise ConfigError(
            f"a callback or the task keeps a state that is not tensors and plain values: {problem}"
        ) from problem
