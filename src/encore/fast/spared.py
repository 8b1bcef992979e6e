"""What torch and Lightning do needlessly while a run trains, skipped."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities import registry
from pytorch_lightning.callbacks import Checkpoint, EarlyStopping
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.trainer import call
from pytorch_lightning.trainer.connectors.logger_connector.result import _ResultMetric
from torch import Tensor


@contextmanager
def spared(trainer: pl.Trainer) -> Iterator[None]:
    """Train without the needless work of torch and Lightning."""
    with without_nvml(trainer), filling(False), without_moving_logs(), hooks_alone(trainer):
        yield


@contextmanager
def hooks_alone(trainer: pl.Trainer) -> Iterator[None]:
    """Call only hooks that somebody overrides, without the profiler's context around each: 1 ms an epoch.

    With a profiler, or where Lightning logs each call, everything stays as it is.
    """
    if not isinstance(trainer.profiler, PassThroughProfiler) or call.log.isEnabledFor(logging.DEBUG):  # type: ignore[attr-defined]
        yield
        return
    plain = call._call_callback_hooks, call._call_lightning_module_hook
    call._call_callback_hooks, call._call_lightning_module_hook = of_callbacks, of_task  # type: ignore[assignment]
    try:
        yield
    finally:
        call._call_callback_hooks, call._call_lightning_module_hook = plain


def of_callbacks(
    trainer: pl.Trainer, name: str, *args: Any, monitoring_callbacks: bool | None = None, **kwargs: Any
) -> None:
    """Call a hook of all callbacks that override it."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    if monitoring_callbacks is not None:
        callbacks = [each for each in callbacks if isinstance(each, EarlyStopping | Checkpoint) is monitoring_callbacks]
    base, task = getattr(pl.Callback, name, None), trainer.lightning_module
    for callback in callbacks:
        hook = getattr(callback, name)
        if getattr(hook, "__func__", None) is not base and callable(hook):
            named(task, name, hook, trainer, task, *args, **kwargs)


def of_task(
    trainer: pl.Trainer, name: str, *args: Any, pl_module: pl.LightningModule | None = None, **kwargs: Any
) -> Any:
    """Call a hook of the task."""
    task = pl_module or trainer.lightning_module
    hook = getattr(task, name)
    return named(task, name, hook, *args, **kwargs) if callable(hook) else None


def named(task: pl.LightningModule | None, name: str, hook: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a hook whose name the task knows meanwhile, which decides how it logs."""
    held = {} if task is None else vars(task)  # a module's own way to set an attribute takes ten times as long
    before, held["_current_fx_name"] = held.get("_current_fx_name"), name
    output = hook(*args, **kwargs)
    held["_current_fx_name"] = before
    return output


@contextmanager
def without_nvml(trainer: pl.Trainer) -> Iterator[None]:
    """Keep a run on the CPU from asking NVML for GPUs at every optimiser step, which takes 80 µs.

    Lightning sets the variable, so that asking leaves a process able to fork children that use CUDA.
    """
    name = "PYTORCH_NVML_BASED_CUDA_CHECK"
    value = os.environ.pop(name, None) if trainer.strategy.root_device.type == "cpu" else None
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value


@contextmanager
def filling(wanted: bool) -> Iterator[None]:
    """Set whether deterministic algorithms fill memory before it is first written to.

    Filling exposes reads of unwritten memory; it changes no bit of a program without them.
    """
    settings: Any = torch.utils.deterministic
    before, settings.fill_uninitialized_memory = settings.fill_uninitialized_memory, wanted
    try:
        yield
    finally:
        settings.fill_uninitialized_memory = before


@contextmanager
def without_moving_logs() -> Iterator[None]:
    """Keep Lightning from moving every logged value's sum to the device that it is on: 0.3 ms."""

    plain = _ResultMetric.to

    def to(sums: _ResultMetric, *args: Any, **kwargs: Any) -> _ResultMetric:
        here = getattr(sums, "value", None)
        if isinstance(here, Tensor) and args == (here.device,) and not kwargs:
            return sums
        return plain(sums, *args, **kwargs)

    _ResultMetric.to = to  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        _ResultMetric.to = plain  # type: ignore[method-assign]


@contextmanager
def plugins_found_once() -> Iterator[None]:
    """Keep Lightning from looking in all installed packages for callbacks each time a Trainer is made: 9 ms."""
    lightning: Any = registry
    plain, lightning.entry_points = lightning.entry_points, lambda group: entry_points_of(group, tuple(sys.path))
    try:
        yield
    finally:
        lightning.entry_points = plain


@lru_cache
def entry_points_of(group: str, path: tuple[str, ...]) -> EntryPoints:
    """The entry points of a group that packages in some folders have."""
    return entry_points(group=group)
