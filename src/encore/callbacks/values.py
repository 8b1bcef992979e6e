"""What several callbacks measure and log."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor


def norm(tensors: list[Any]) -> float:
    """L2 norm of several tensors taken together."""
    if not tensors:
        return 0.0
    each = torch._foreach_norm([tensor.detach() for tensor in tensors])
    each = tuple(getattr(one, "full_tensor", lambda one=one: one)() for one in each)  # of weights that are sharded
    if len({(one.dtype, one.device) for one in each}) > 1:
        each = tuple(one.cpu().double() for one in each)  # Apple's GPU has no doubles
    total: Tensor = torch.linalg.vector_norm(torch.stack(each))
    return total.item()


def log_step(trainer: pl.Trainer, metrics: dict[str, float], step: int | None = None) -> None:
    """Log values at a step; by default the current one."""
    for logger in trainer.loggers:
        logger.log_metrics(
            {**metrics, "epoch": trainer.current_epoch}, step=trainer.global_step if step is None else step
        )
