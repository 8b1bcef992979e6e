"""Sharpness-aware minimisation: gradients from the worst point nearby."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from encore.config.accelerator import device_count
from encore.config.facts import encores_task
from encore.errors import ConfigError
from encore.seeding import derive, seed_everywhere
from encore.tasks.supervised import Supervised


class SAM(pl.Callback):
    """Replace each step's gradient by the one at w + rho · g / ‖g‖, where g is the gradient at w.

    Any optimiser takes the step. The second pass sees the same batch, augmented alike, and the same dropout; running
    statistics and the training metrics are of the first one. Gradients are clipped afterwards, and over accumulated
    batches g is their mean. A step takes about twice as long.
    (Foret et al. 2021, Sharpness-Aware Minimization for Efficiently Improving Generalization, with p = 2.)

    Args:
        rho: the radius.
    """

    changes_steps = True

    def __init__(self, rho: float = 0.05) -> None:
        if rho <= 0:
            raise ValueError(f"rho must be greater than 0, not {rho}")
        self.rho = rho
        self.batches: list[tuple[Any, int]] = []  # of the present step, with their places in the epoch

    def against(self, cfg: dict) -> str | None:
        """Why a run cannot have a second pass; None if it can."""
        if not encores_task(cfg):
            return "passes twice through a task of Encore's, and not through another LightningModule"
        if device_count(cfg) > 1:
            return "works on one device: trainer.devices=1"
        if str(cfg["trainer"].get("precision", "")).startswith("16-"):
            return "would mix gradients with and without 16-bit scaling: trainer.precision=bf16-mixed has none"
        if str(cfg["optim"].get("_target_")).endswith(".LBFGS"):
            return "takes two passes a step, and LBFGS as many as it likes: choose another optim"
        return None

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        return 1

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if type(task).training_step is not Supervised.training_step:
            raise ConfigError(f"callbacks.sam: {type(task).__name__} has a training step of its own")

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        """Keep the batch for the second pass."""
        if index % trainer.accumulate_grad_batches == 0:
            self.batches.clear()
        self.batches.append((batch, index))

    def on_before_optimizer_step(self, trainer: pl.Trainer, task: pl.LightningModule, optimizer: Optimizer) -> None:
        """The gradient at w is complete: take the one nearby in its place."""
        assert isinstance(task, Supervised)
        trained = [each for group in optimizer.param_groups for each in group["params"] if each.grad is not None]
        if not trained:
            return
        weights = [each.detach().clone() for each in trained]
        statistics = [(buffer, buffer.clone()) for buffer in task.net.buffers()]
        climb(trained, self.rho)
        for batch, index in self.batches:
            # As encore.callbacks.seeds, so that augmentation and dropout draw what they drew.
            place = (trainer.current_epoch, index, trainer.global_rank)
            seed_everywhere(derive(task.seed, "step", *place), task.device)
            with torch.enable_grad(), trainer.precision_plugin.train_step_context():
                loss = task.attempt(batch).loss / len(self.batches)
                loss.backward()
        with torch.no_grad():
            torch._foreach_copy_(trained, weights)
            for buffer, before in statistics:
                buffer.copy_(before)
        self.batches.clear()


@torch.no_grad()
def climb(trained: list[Tensor], rho: float) -> None:
    """Move weights by `rho` along their gradient, which is dropped."""
    gradients = [each.grad for each in trained]
    norm = torch.stack(torch._foreach_norm(gradients)).norm()  # type: ignore[arg-type]
    torch._foreach_add_(trained, torch._foreach_mul(gradients, rho / (norm + 1e-12)))  # type: ignore[arg-type]
    for each in trained:
        each.grad = None
