"""Which hooks a task and its callbacks override, and whether these limit every call to a single step."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loops.fetchers import _DataLoaderIterDataFetcher
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy

# Hooks that Lightning calls at every batch or step.
EVERY_BATCH = (
    "on_train_batch_start", "on_train_batch_end", "on_before_zero_grad", "on_before_backward", "on_after_backward",
    "on_before_optimizer_step", "on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer",
)  # fmt: skip
# Hooks that, if a task overrides one, leave the step to Lightning.
OWN_WAY = ("backward", "optimizer_step", "optimizer_zero_grad", "configure_gradient_clipping")


def one_at_a_time(trainer: pl.Trainer) -> str | None:
    """Why every call is limited to one step; None if it is not."""
    task = trainer.lightning_module
    if not isinstance(trainer.strategy, SingleDeviceStrategy) and type(trainer.strategy) is not DDPStrategy:
        return f"{type(trainer.strategy).__name__} takes part in every step"
    if isinstance(trainer.fit_loop._data_fetcher, _DataLoaderIterDataFetcher):
        return f"{type(task).__name__}.training_step fetches its batches"
    if logs(task):
        return f"{type(task).__name__}.training_step logs"
    if any(schedule.interval == "step" and schedule.reduce_on_plateau for schedule in trainer.lr_scheduler_configs):
        return "a schedule follows a metric at every step"
    if not isinstance(trainer.profiler, PassThroughProfiler):  # type: ignore[attr-defined]
        return f"{type(trainer.profiler).__name__} looks at every step"  # type: ignore[attr-defined]
    for part in [*trainer.callbacks, task]:  # type: ignore[attr-defined]
        if not hasattr(part, "looks_every") and (hook := overridden(part, EVERY_BATCH)):
            return f"{type(part).__name__}.{hook} looks at every step"
    return None


def logs(task: pl.LightningModule) -> bool:
    """Whether a task logs within a step, as far as its code shows."""
    steps = [kind.__dict__["training_step"] for kind in type(task).__mro__ if "training_step" in kind.__dict__]
    names = {name for step in steps if step is not pl.LightningModule.training_step for name in step.__code__.co_names}
    return not names.isdisjoint(("log", "log_dict"))


def overridden(part: Any, names: tuple[str, ...]) -> str | None:
    """The first of some hooks that a callback or task overrides."""
    base = pl.Callback if isinstance(part, pl.Callback) else pl.LightningModule
    for name in names:
        hook = getattr(part, name, None)
        if getattr(hook, "__func__", hook) is not getattr(base, name, None):
            return name
    return None
