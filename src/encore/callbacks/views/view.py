"""What the views of a run share: which loggers show them, and which runs are long enough for more than numbers."""

import math
from typing import Any

import pytorch_lightning as pl

SHORT = 100  # optimiser steps: runs of fewer, such as tests and trials of a sweep, get numbers alone


class View(pl.Callback):
    """A callback that only looks: it changes no bit of a run, and is no part of its fingerprint."""

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        """Once a call will do."""
        return None


def viewers(trainer: pl.Trainer, method: str) -> list[Any]:
    """The loggers that show something by a method of `encore.loggers.contract`; none where a run is short."""
    if not trainer.is_global_zero or planned_steps(trainer) < SHORT:
        return []
    return [logger for logger in trainer.loggers if hasattr(logger, method)]


def show(trainer: pl.Trainer, method: str, *shown: Any) -> None:
    """Let all loggers that can show something."""
    for logger in viewers(trainer, method):
        getattr(logger, method)(*shown)


def planned_steps(trainer: pl.Trainer) -> float:
    """Optimiser steps of the whole run, if nothing ends it early."""
    epochs, batches = trainer.max_epochs, trainer.num_training_batches
    endless = epochs in (None, -1) or math.isinf(batches)
    steps = math.inf if endless else (epochs or 0) * -(-int(batches) // trainer.accumulate_grad_batches)
    return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)


def last_step(trainer: pl.Trainer) -> int:
    """The optimiser step that was taken last, counted from 0, by which Lightning logs an epoch's means."""
    return max(0, trainer.global_step - 1)
