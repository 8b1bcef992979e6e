"""Stochastic weight averaging."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import WeightAveraging
from torch.optim.swa_utils import AveragedModel


class WeightAverage(WeightAveraging):
    """Stochastic weight averaging: validation and test see the mean of the weights at the ends of epochs.

    Until the first of these epochs ends, validation sees the trained weights. Running statistics of batch norm are
    averaged with the weights. The learning rate follows the config's `scheduler`.
    (Izmailov et al. 2018, Averaging Weights Leads to Wider Optima and Better Generalization.)

    Args:
        start_epoch: the first epoch, counted from 0, whose weights are averaged; below 1, a share of the run's epochs.
    """

    def __init__(self, start_epoch: int | float = 0) -> None:
        if start_epoch < 0:
            raise ValueError(f"start_epoch must be at least 0, not {start_epoch}")
        if start_epoch >= 1 and int(start_epoch) != start_epoch:
            raise ValueError(f"start_epoch must be a whole number or below 1, not {start_epoch}")
        super().__init__()
        self.start_epoch = start_epoch

    def on_fit_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Lightning makes the average before the task moves to its device."""
        to_device_of(task, self._average_model)

    def against(self, cfg: dict) -> str | None:
        """Why nothing would be averaged in a run; None if something is."""
        epochs = cfg["trainer"]["max_epochs"]
        if self.start_epoch < epochs:
            return None
        return (
            f"start_epoch={self.start_epoch}: epochs count from 0, and there are {epochs} of them (trainer.max_epochs)"
        )

    def first(self, trainer: pl.Trainer) -> int:
        """The first epoch whose weights are averaged."""
        share = 0 < self.start_epoch < 1
        return int(self.start_epoch * (trainer.max_epochs or 1) if share else self.start_epoch)

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        """Only an epoch's last step matters, and a call ends there."""
        return None

    @property
    def begun(self) -> bool:
        """Whether the average holds any weights yet."""
        return self._average_model is not None and bool(self._average_model.n_averaged)

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Add the epoch's weights before validation uses the average."""
        if trainer.is_last_batch and trainer.current_epoch >= self.first(trainer):
            assert self._average_model is not None
            self._average_model.update_parameters(task)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """The epoch has been added."""

    def on_validation_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Swap the average in."""
        if self.begun:
            super().on_validation_epoch_start(trainer, task)

    def on_validation_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Swap the trained weights back in."""
        if self.begun:
            super().on_validation_epoch_end(trainer, task)

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Leave the average in place, unless training stopped before there was one."""
        if self.begun:
            super().on_train_end(trainer, task)

    def on_save_checkpoint(self, trainer: pl.Trainer, task: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Save the weights as well as the average; before there is one, the checkpoint already holds them."""
        weights = checkpoint["state_dict"]
        super().on_save_checkpoint(trainer, task, checkpoint)
        if not self.begun:
            checkpoint["state_dict"] = weights


def to_device_of(task: pl.LightningModule, average: AveragedModel | None) -> None:
    """Keep an average where a task is; its count, which is asked for at every step, stays on the CPU."""
    if average is not None:
        average.module.to(task.device)
