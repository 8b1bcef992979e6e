"""Normalisation layers side by side, and the statistics that batch normalisation has of a batch and of the run."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from encore.callbacks.values import log_step

# By name, a layer for so many channels.
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: nn.Identity(),
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(4, channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "layer": lambda channels: nn.GroupNorm(1, channels),
}


class NormalizedCNN(nn.Module):
    """Three 3 × 3 convolutions, each with a normalisation and ReLU, then the mean over pixels and a linear layer.

    Args:
        in_shape: a picture's shape, [channels, height, width].
        num_outputs: number of outputs.
        norm: `none`; `batch` (Ioffe and Szegedy 2015), over a channel of a batch; `group` (Wu and He 2018), over a
            quarter of an example's channels; `instance` (Ulyanov et al. 2016), over each channel; `layer`, over all.
        channels: of each convolution, a multiple of 4.

    Inputs [n, *in_shape], outputs logits [n, num_outputs].
    """

    def __init__(self, in_shape: Sequence[int], num_outputs: int, norm: str, channels: Sequence[int]) -> None:
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"unknown norm {norm!r}; choose from {sorted(NORMS)}")
        if any(count < 4 or count % 4 for count in channels):
            raise ValueError(f"channels must be multiples of 4, not {list(channels)}")
        stages = [
            nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=norm == "none"), NORMS[norm](after), nn.ReLU())
            for before, after in itertools.pairwise([in_shape[0], *channels])
        ]
        self.features = nn.Sequential(*stages)
        self.head = nn.Linear(channels[-1], num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.features(inputs).mean((2, 3)))


class BatchStatistics(pl.Callback):
    """Log the mean of one channel of the first batch norm's inputs: that of each batch, and the running one."""

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        layer = next((each for each in task.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)), None)
        if layer is None:
            raise ValueError("the net has no batch norm whose statistics could be logged")
        self.layer = layer
        self.hook = layer.register_forward_pre_hook(self.look)

    def look(self, layer: nn.Module, inputs: tuple[Tensor]) -> None:
        with torch.no_grad():
            self.mean = inputs[0].transpose(0, 1)[0].mean().item()

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.hook.remove()
        running = self.layer.running_mean
        assert running is not None
        log_step(
            trainer, {"norm/batch_mean": self.mean, "norm/running_mean": running[0].item()}, trainer.global_step - 1
        )
