"""Every generator is seeded by its place in the run, whatever the task and the data are."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch

from encore.seeding import derive, seed_everywhere, seed_generators


class Seeds(pl.Callback):
    """Seed the generators before every batch, and before the hooks of every epoch.

    It runs before all other callbacks. A seed depends on the place alone, so a run that is resumed anywhere draws the
    same numbers.

    Args:
        seed: the run's.
        torch_only: nothing in the run draws from Python's or NumPy's generators; seeding them takes 6 µs a step.
    """

    def __init__(self, seed: int, torch_only: bool = False) -> None:
        self.seed = seed
        self.seed_all: Callable[[int, torch.device], None] = seed_generators if torch_only else seed_everywhere

    def at(self, task: pl.LightningModule, *place: int | str) -> None:
        self.seed_all(derive(self.seed, *place), task.device)

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        return 1

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """The transfer of a batch to the device may draw random numbers before the batch begins."""
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        self.at(task, "fetch", trainer.current_epoch, done, trainer.global_rank)

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """For the task's own hook, and the transfer of the first batch."""
        self.at(task, "fetch", trainer.current_epoch, 0, trainer.global_rank)

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        self.at(task, "step", trainer.current_epoch, index, trainer.global_rank)

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """For the transfer of the next batch."""
        self.at(task, "fetch", trainer.current_epoch, index + 1, trainer.global_rank)

    def on_validation_batch_start(
        self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self.at(task, "val step", trainer.current_epoch, dataloader_idx, batch_idx, trainer.global_rank)

    def on_test_batch_start(
        self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Independent of the epoch: the same whenever the weights are tested."""
        self.at(task, "test step", dataloader_idx, batch_idx, trainer.global_rank)
