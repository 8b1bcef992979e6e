"""Regression: which numbers belong to an example."""

import torch.nn.functional as F
from torch import Tensor

from encore.tasks.supervised import Supervised


class Regression(Supervised):
    """Train a net by the mean squared error.

    Outputs and targets are float32 [n, num_outputs].
    """

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean squared error.

        Raises:
            ValueError: there is not one target an output, as with class numbers.
        """
        if outputs.shape != targets.shape:
            remedy = (
                f"task.num_outputs={targets.shape[1]} fits them"
                if targets.is_floating_point() and targets.ndim == 2
                else "data.num_classes=null says that a dataset has numbers as targets"
            )
            raise ValueError(
                f"targets {list(targets.shape)} are no numbers for outputs {list(outputs.shape)}: {remedy}"
            )
        return F.mse_loss(outputs, targets)
