"""Gradients that the next step adds to, where a task itself decides when they are set to zero."""

import pytorch_lightning as pl
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor


def gradients(task: pl.LightningModule) -> dict[str, Tensor]:
    """A task's gradients by parameter; none if Lightning sets them to zero before each step."""
    if task.automatic_optimization and not is_overridden("optimizer_zero_grad", task, pl.LightningModule):
        return {}
    return {name: parameter.grad for name, parameter in task.named_parameters() if parameter.grad is not None}


def restore_gradients(task: pl.LightningModule, held: dict[str, Tensor]) -> None:
    """Lightning has set them to zero when the run began."""
    for name, parameter in task.named_parameters():
        if name in held:
            parameter.grad = held[name].to(parameter, copy=True)
