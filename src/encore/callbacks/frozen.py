"""Modules that are not trained."""

from collections.abc import Sequence

import pytorch_lightning as pl
from torch import nn


class Frozen(pl.Callback):
    """Keep modules in evaluation mode while others train; Lightning remembers the modes around validation."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = modules

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        for module in self.modules:
            module.training = False
