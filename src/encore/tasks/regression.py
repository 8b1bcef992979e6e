"""Regression: the numbers that belong to an example."""

from collections.abc import Callable
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor

from encore.tasks.supervised import Supervised

LOSSES: dict[str, Callable[..., Tensor]] = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.huber_loss}


class Regression(Supervised):
    """Train a net by the mean squared error, or another loss of the difference, mean over examples and columns.

    Args:
        loss: `mse`, the squared difference; `mae`, the absolute one; `huber`, half the squared one up to a difference
            of 1, and from there on the absolute one less 0.5 (Huber 1964).
        settings: those of `Supervised`.

    Outputs and targets are float32 [n, num_outputs]. With `data.normalize_targets` the net learns normalised targets:
    outputs and the loss are in normalised units, predictions and metrics in the targets' own.
    """

    target_center: Tensor | None
    target_scale: Tensor | None

    def __init__(self, loss: Literal["mse", "mae", "huber"] = "mse", **settings: Any) -> None:
        if loss not in ("mse", "mae", "huber"):
            raise ValueError(f"loss must be mse, mae or huber, not {loss}")
        super().__init__(**settings)
        self.difference = LOSSES[loss]
        for name in ("target_center", "target_scale"):
            self.register_buffer(name, None)  # not in the checkpoint until there is one

    def adapt_to(self, data: Any) -> None:
        """Take the targets' normalisation from a data module that is set up."""
        if (affine := getattr(data, "target_affine", None)) is not None:
            self.target_center, self.target_scale = affine.center, affine.scale

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, in normalised units where targets are normalised.

        Raises:
            ValueError: the number of targets differs from that of outputs, as with class numbers.
        """
        if outputs.shape != targets.shape:
            remedy = (
                f"task.num_outputs={targets.shape[1]} fits them, or data.num_targets={targets.shape[1]} in the YAML of "
                "the dataset"
                if targets.is_floating_point() and targets.ndim == 2
                else "data.num_classes=null says that a dataset has numbers as targets"
            )
            raise ValueError(f"targets {list(targets.shape)} do not fit outputs {list(outputs.shape)}: {remedy}")
        if self.target_center is not None and self.target_scale is not None:
            targets = (targets - self.target_center) * self.target_scale
        return self.difference(outputs, targets)

    def prediction(self, outputs: Tensor) -> Tensor:
        """Outputs in the targets' own units."""
        if self.target_center is None or self.target_scale is None:
            return outputs
        return outputs / self.target_scale + self.target_center
