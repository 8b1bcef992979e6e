"""Where a run stands: saving it and entering it again between two epochs or two steps, where nothing is under way."""

import logging
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from encore.record.checkpoints import Checkpoints
from encore.stopping import Stop

log = logging.getLogger("encore")

# Where hooks at the start of an epoch stand that an epoch entered later does not lack: they do nothing, or only tell.
TELL_ONLY = (
    "pytorch_lightning.callbacks.callback",
    "pytorch_lightning.core.hooks",
    "pytorch_lightning.callbacks.lr_monitor",
    "pytorch_lightning.callbacks.timer",
    "encore.callbacks.progress",
    __name__,
)

# What a rank wishes between two steps.
GO_ON, SAVE, STOP = 0, 1, 2


class Position(pl.Callback):
    """Lets checkpoints be taken, and takes a run up from them.

    It comes before all other callbacks: at its hooks everything before the epoch or batch is done, and
    nothing after it has been logged.

    Args:
        checkpoints: what saves, if anything does.
        stop: what asks the run to stop.
        logs: what has to stand where the state stands, by name: each has a `position` and can be brought back to it.
    """

    def __init__(self, checkpoints: Checkpoints | None, stop: Stop, logs: dict[str, Any]) -> None:
        self.checkpoints, self.stop, self.logs = checkpoints, stop, logs
        self.metrics: dict[str, Tensor] = {}
        self.stopped = self.postponed = False
        self.sets_up_epochs: str | None = None
        self.began, self.seconds_before = time.monotonic(), 0.0

    def on_fit_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Remember what Lightning forgets: the metrics of the epoch before, and that training was over."""
        self.trainer = trainer
        trainer.callback_metrics.update(self.metrics)
        trainer.should_stop = self.stopped

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Enter an epoch as if there had been no stop before it; Lightning has put its own handlers in."""
        self.stop.listen()
        parts = [task, *trainer.callbacks]  # type: ignore[attr-defined]
        self.sets_up_epochs = next((type(part).__name__ for part in parts if sets_up_epochs(part)), None)
        if self.sets_up_epochs and self.checkpoints is not None:
            log.info("%s sets up every epoch: checkpoints are written at the ends of epochs only", self.sets_up_epochs)
        loop = trainer.fit_loop
        if loop.epoch_progress.current.ready == loop.epoch_progress.current.completed:
            # With max_steps it would take the epoch before up again.
            loop.on_iteration_done()
            loop.epoch_loop.on_iteration_done()

    def on_test_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Lightning has put its own handlers in again."""
        self.stop.listen()

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """The epoch before is done."""
        over = self.checkpoints is not None and self.checkpoints.epoch_is_over(trainer, task)
        self.pause(trainer, task, "epoch", may_save=over)

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        """A checkpoint by steps is taken before such a step; to be stopped, any will do."""
        return self.checkpoints.every_n_steps if self.checkpoints is not None else None

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        """The batch before is done."""
        if trainer.fit_loop.restarting:
            # It would take all of the epoch for a repetition, and leave out schedules that follow a metric.
            trainer.fit_loop.on_iteration_done()
        if index == 0 or index % trainer.accumulate_grad_batches:
            return
        validated = validated_before(trainer, index)
        may_save = not validated and self.sets_up_epochs is None
        # Better to stop one step later, unless it is like this there, too.
        self.postponed = validated and self.stop.asked is not None and not self.postponed
        self.pause(trainer, task, "batch", may_save)

    def pause(self, trainer: pl.Trainer, task: pl.LightningModule, uncounted: str, may_save: bool) -> None:
        """Save if it is due, and stop if that is asked for, also where nothing can be saved; all ranks do the same."""
        saver = self.checkpoints if may_save else None
        due = saver is not None and saver.due(trainer, within_epoch=uncounted == "batch")
        stopping = self.stop.asked is not None and not self.postponed
        wish = agreed(trainer, STOP if stopping else SAVE if due else GO_ON)
        if wish != GO_ON and saver is not None and not logs_means(trainer):
            if wish == STOP:
                log.info("asked to stop: saving first")
            saver.save(trainer, task, uncounted)
        if wish == STOP:
            step = saver.step if (saver := self.checkpoints) is not None else None
            where = f"goes on from step {step}" if step else "begins at the first step, as there is no checkpoint yet"
            raise self.stop.end(f"the same command {where}")

    def state_dict(self) -> dict[str, Any]:
        """Where the logs stand, and what Lightning does not keep."""
        # all ranks' losses are brought together for it
        logs = {name: log.position() for name, log in self.logs.items()}
        return {
            "logs": logs,
            "metrics": {name: value.detach().cpu() for name, value in self.trainer.callback_metrics.items()},
            "stopped": self.trainer.should_stop,
            "seconds": self.seconds_before + time.monotonic() - self.began,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.metrics, self.stopped = state_dict["metrics"], state_dict["stopped"]
        self.seconds_before = state_dict["seconds"]


def validated_before(trainer: pl.Trainer, index: int) -> bool:
    """Whether there was a validation just before a batch of an epoch: Lightning goes on badly from there."""
    interval = trainer.val_check_batch
    done = trainer.fit_loop.epoch_loop.total_batch_idx if trainer.check_val_every_n_epoch is None else index
    return isinstance(interval, int) and interval > 0 and done % interval == 0


def sets_up_epochs(part: Any) -> bool:
    """Whether a callback or task does something at the start of an epoch that an epoch entered later would lack.

    Lightning leaves that hook out where it goes on within an epoch.
    """
    return type(part).on_train_epoch_start.__module__ not in TELL_ONLY


def logs_means(trainer: pl.Trainer) -> bool:
    """Whether a task is logging means over the epoch by itself: Lightning does not keep what they are of."""
    results = trainer.fit_loop.epoch_loop._results.values()
    return any(result.meta.on_epoch and result.update_called for result in results)


def agreed(trainer: pl.Trainer, wish: int) -> int:
    """The greatest wish of all ranks."""
    if trainer.world_size == 1:
        return wish
    value = torch.tensor(wish, device=trainer.strategy.root_device)
    return int(trainer.strategy.reduce(value, reduce_op="max"))
