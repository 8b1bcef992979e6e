"""Reconstruction: a net that reproduces its inputs."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from encore.tasks.supervised import Supervised


class Autoencoder(Supervised):
    """Train a net by the mean squared error between its outputs and its augmented inputs.

    Inputs are one tensor [n, *shape]; outputs have as many numbers. Targets are ignored.
    """

    def forward(self, inputs: Any) -> Tensor:
        outputs: Tensor = super().forward(inputs)
        return outputs.view(inputs.shape) if outputs.numel() == inputs.numel() else outputs

    def aim(self, inputs: Any, targets: Any) -> Any:
        return inputs

    def output_shape(self, inputs: Any) -> list[int]:
        return list(inputs.shape)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(outputs, targets)
