"""What torch and Lightning do needlessly while a run trains, skipped."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities import registry
from pytorch_lightning.trainer.connectors.logger_connector.result import _ResultMetric
from torch import Tensor


@contextmanager
def spared(trainer: pl.Trainer) -> Iterator[None]:
    """Train without the needless work of torch and Lightning."""
    with without_nvml(trainer), filling(False), without_moving_logs():
        yield


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
