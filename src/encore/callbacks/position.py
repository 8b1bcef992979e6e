"""Where a run stands: stopping and resuming between two epochs or two steps, when nothing is in progress."""

import logging
import time
from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from encore.across_ranks import by_rank, greatest, settle_buckets
from encore.callbacks.checkpoints import Checkpoints
from encore.callbacks.gradients import gradients, restore_gradients
from encore.callbacks.metric_states import is_plain, metric_states, restore_metrics
from encore.callbacks.unkept import Memory, forgotten, memory
from encore.stopping import Stop

log = logging.getLogger("encore")

# Modules whose hooks at the start of an epoch a resumed epoch does not need: they do nothing, or only report.
TELL_ONLY = (
    "pytorch_lightning.callbacks.callback",
    "pytorch_lightning.core.hooks",
    "pytorch_lightning.callbacks.lr_monitor",
    "pytorch_lightning.callbacks.timer",
    "pytorch_lightning.callbacks.progress.progress_bar",
    "pytorch_lightning.callbacks.progress.rich_progress",
    "pytorch_lightning.callbacks.progress.tqdm_progress",
    "encore.callbacks.progress",
    "encore.callbacks.seeds",
    __name__,
)

# What a rank requests between two steps.
GO_ON, SAVE, STOP = 0, 1, 2


class Position(pl.Callback):
    """Decides when checkpoints are taken, and resumes a run from them.

    It runs before all other callbacks: at its hooks everything before the epoch or batch is complete, and nothing after
    it has been logged.

    Args:
        checkpoints: the callback that saves, if there is one.
        stop: a request to stop the run.
        logs: everything that must match the state, by name: each has a `position` and can be restored to it.
    """

    def __init__(self, checkpoints: Checkpoints | None, stop: Stop, logs: dict[str, Any]) -> None:
        self.checkpoints, self.stop, self.logs = checkpoints, stop, logs
        self.metrics: dict[str, Tensor] = {}
        self.frozen: dict[str, list[str]] | None = None
        self.gradients: dict[str, Tensor] = {}
        self.stopped = self.postponed = False
        self.whole_epochs: str | None = None  # why there are checkpoints at the ends of epochs only
        self.began, self.seconds_before = time.monotonic(), 0.0
        self.memory: Memory | None = None  # what parts of a user's own remembered at the first step

    def on_fit_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Restore what Lightning forgets: the previous epoch's metrics, and whether training was over."""
        self.trainer = trainer
        trainer.callback_metrics.update(self.metrics)
        trainer.should_stop = self.stopped

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Enter an epoch as if the run had never stopped; replace the signal handlers that Lightning has installed."""
        self.stop.listen()
        if isinstance(trainer.strategy.model, DistributedDataParallel):
            settle_buckets(trainer.strategy.model)
        if self.frozen is not None:
            freeze(task, self.frozen)
        restore_gradients(task, self.gradients)
        self.whole_epochs = whole_epochs(trainer, task)
        if self.whole_epochs and self.checkpoints is not None:
            log.info("%s: checkpoints are written at the ends of epochs only (docs/resume.md)", self.whole_epochs)
        loop = trainer.fit_loop
        if loop.epoch_progress.current.ready == loop.epoch_progress.current.completed:
            # With max_steps Lightning would repeat the previous epoch.
            loop.on_iteration_done()
            loop.epoch_loop.on_iteration_done()

    def on_test_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Lightning has installed its signal handlers again."""
        self.stop.listen()

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """The previous epoch is complete."""
        over = self.checkpoints is not None and self.checkpoints.epoch_is_over(trainer, task)
        self.pause(trainer, task, "epoch", may_save=over)

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        """Checkpoints by steps are taken before such a step; to stop the run, any step will do."""
        return self.checkpoints.every_n_steps if self.checkpoints is not None else None

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        """The previous batch is complete."""
        if self.memory is None:
            self.memory = memory(trainer, task)
        if trainer.fit_loop.restarting:
            # Lightning would treat the whole epoch as a repetition and skip schedules that follow a metric.
            trainer.fit_loop.on_iteration_done()
        if index == 0 or index % trainer.accumulate_grad_batches:
            return
        validated = validated_before(trainer, index)
        may_save = not validated and self.whole_epochs is None
        # Better to stop one step later, unless the same holds there.
        self.postponed = validated and self.stop.asked is not None and not self.postponed
        self.pause(trainer, task, "batch", may_save)

    def pause(self, trainer: pl.Trainer, task: pl.LightningModule, uncounted: str, may_save: bool) -> None:
        """Save if it is due, and stop if asked to, even if nothing can be saved; all ranks do the same."""
        saver = self.checkpoints if may_save else None
        due = saver is not None and saver.due(trainer, within_epoch=uncounted == "batch")
        stopping = self.stop.asked is not None and not self.postponed
        wish = greatest(STOP if stopping else SAVE if due else GO_ON, trainer.strategy.root_device)
        if wish != GO_ON and saver is not None and uncounted == "batch" and self.logs_means(trainer, task):
            saver = None
        if wish != GO_ON and saver is not None:
            if wish == STOP:
                log.info("stopping: saving first")
            saver.save(trainer, task, uncounted)
        if wish == STOP:
            step = saver.step if (saver := self.checkpoints) is not None else None
            where = f"continues from step {step}" if step else "begins at the first step, as there is no checkpoint yet"
            raise self.stop.end(f"the same command {where}")

    def logs_means(self, trainer: pl.Trainer, task: pl.LightningModule) -> bool:
        """Whether means over the epoch are being accumulated; reported once, and not checked again after that."""
        if not means_logged(trainer):
            return False
        self.whole_epochs = f"{type(task).__name__} logs means over the epoch"
        log.info("%s: checkpoints are written at the ends of epochs only (docs/resume.md)", self.whole_epochs)
        return True

    def on_save_checkpoint(self, trainer: pl.Trainer, task: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save metrics in the middle of an epoch, and no live objects among the hyper-parameters."""
        self.tell_of_forgotten()
        checkpoint["metric_states"] = by_rank(metric_states(task))
        for key in ("hyper_parameters", "datamodule_hyper_parameters"):
            if key in checkpoint:
                checkpoint[key] = {name: value for name, value in checkpoint[key].items() if is_plain(value)}

    def tell_of_forgotten(self) -> None:
        """Say once what this checkpoint does not hold."""
        if names := forgotten(self.memory or []):
            self.memory = []
            log.warning(
                "%s: changed since the first step, and no checkpoint holds it; if a step depends on it, a resumed run "
                "differs. state_dict or on_save_checkpoint keeps it (docs/resume.md)",
                ", ".join(names),
            )

    def on_load_checkpoint(self, trainer: pl.Trainer, task: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        if "metric_states" in checkpoint:
            restore_metrics(task, checkpoint["metric_states"][trainer.global_rank])

    def state_dict(self) -> dict[str, Any]:
        """Where the logs stand, and what Lightning does not save."""
        # this collects the losses of all ranks
        logs = {name: log.position() for name, log in self.logs.items()}
        return {
            "logs": logs,
            "metrics": {name: value.detach().cpu() for name, value in self.trainer.callback_metrics.items()},
            "stopped": self.trainer.should_stop,
            "frozen": frozen(self.trainer.lightning_module),
            "gradients": gradients(self.trainer.lightning_module),
            "seconds": self.seconds_before + time.monotonic() - self.began,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.metrics, self.stopped = state_dict["metrics"], state_dict["stopped"]
        self.seconds_before = state_dict["seconds"]
        self.frozen = state_dict.get("frozen")
        self.gradients = state_dict.get("gradients", {})


def validated_before(trainer: pl.Trainer, index: int) -> bool:
    """Whether there was a validation just before this batch: Lightning does not resume correctly from there."""
    interval = trainer.val_check_batch
    done = trainer.fit_loop.epoch_loop.total_batch_idx if trainer.check_val_every_n_epoch is None else index
    return isinstance(interval, int) and interval > 0 and done % interval == 0


def frozen(task: pl.LightningModule) -> dict[str, list[str]]:
    """What of a task is not trained: which parameters, and whose running statistics."""
    statistics = {name: getattr(module, "track_running_stats", True) for name, module in task.named_modules()}
    return {
        "parameters": [name for name, parameter in task.named_parameters() if not parameter.requires_grad],
        "statistics": [name for name, tracked in statistics.items() if not tracked],
    }


def freeze(task: pl.LightningModule, state: dict[str, list[str]]) -> None:
    """Freeze what was frozen at a checkpoint: callbacks that freeze and thaw do not remember it."""
    for name, parameter in task.named_parameters():
        parameter.requires_grad_(name not in state["parameters"])
    for name, module in task.named_modules():
        if hasattr(module, "track_running_stats"):
            module.track_running_stats = name not in state["statistics"]


def whole_epochs(trainer: pl.Trainer, task: pl.LightningModule) -> str | None:
    """Why an epoch cannot be resumed in the middle; None if it can."""
    for part in [task, *trainer.callbacks]:  # type: ignore[attr-defined]
        if sets_up_epochs(part):
            return f"{type(part).__name__} sets up every epoch"
    if looks_back(type(task)):
        return f"{type(task).__name__}.on_train_epoch_end may look back over its epoch"
    loaders = trainer.fit_loop._combined_loader
    if loaders is not None and len(loaders.flattened) > 1:
        return "there are several training loaders"
    return None


def looks_back(task: type[pl.LightningModule]) -> bool:
    """Whether a task has an end-of-epoch hook and does not declare `resumes_within_epochs`."""
    for kind in task.__mro__:
        if "resumes_within_epochs" in vars(kind):
            return not vars(kind)["resumes_within_epochs"]
        if "on_train_epoch_end" in vars(kind):
            return not kind.__module__.startswith("pytorch_lightning.")
    return False


def sets_up_epochs(part: Any) -> bool:
    """Whether a callback or task does something at the start of an epoch that a resumed epoch would lack.

    Lightning skips that hook if it resumes within an epoch.
    """
    hook = part.on_train_epoch_start  # of the object itself, in a LambdaCallback
    return getattr(hook, "__module__", None) not in TELL_ONLY


def means_logged(trainer: pl.Trainer) -> bool:
    """Whether a task logs means over the epoch by itself: Lightning does not save what they are computed from."""
    results = trainer.fit_loop.epoch_loop._results.values()
    return any(result.meta.on_epoch and result.update_called for result in results)
