"""The error of one column of a target, as a metric."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

ERRORS: dict[str, Callable[..., Tensor]] = {"mse": F.mse_loss, "mae": F.l1_loss}


class ColumnError(Metric):
    """Mean error over examples in one column of predictions and targets [n, columns], in the targets' own units.

    Args:
        column: which, from 0.
        error: `mse`, the mean squared error, or `mae`, the mean absolute error.
    """

    higher_is_better = False
    total: Tensor
    count: Tensor

    def __init__(self, column: int, error: Literal["mse", "mae"] = "mse") -> None:
        if column < 0:
            raise ValueError(f"column must be at least 0, not {column}")
        if error not in ("mse", "mae"):
            raise ValueError(f"error must be mse or mae, not {error}")
        super().__init__()
        self.column, self.error = column, error
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, targets: Tensor) -> None:
        if self.column >= targets.shape[1]:
            raise ValueError(f"column={self.column}, and targets have {targets.shape[1]} columns, from 0")
        self.total += ERRORS[self.error](predicted[:, self.column], targets[:, self.column], reduction="sum")
        self.count += len(targets)

    def compute(self) -> Tensor:
        return self.total / self.count
