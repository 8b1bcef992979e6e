"""An exponential moving average of the weights, at every optimiser step."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

from encore.callbacks.averaging import to_device_of


class EMA(WeightAveraging):
    """Validation and test see avg ← decay · avg + (1 - decay) · w, taken after every optimiser step.

    As Lightning's EMAWeightAveraging, to the last bits' rounding, while a call of the loop takes several steps. The
    average begins with the weights after the first step. Batch norm's running statistics are averaged, too.
    (Polyak and Juditsky 1992, Acceleration of Stochastic Approximation by Averaging; Tarvainen and Valpola 2017.)

    Args:
        decay: share of the average that stays in each step.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, not {decay}")
        super().__init__(multi_avg_fn=get_ema_multi_avg_fn(decay))

    def on_fit_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Lightning makes the average before the task moves to its device."""
        to_device_of(task, self._average_model)

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        return 1

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        """Within a call: average the weights of the step before, which are as they will be at the call's end."""
        self.on_train_batch_end(trainer, task, None, batch, index)
