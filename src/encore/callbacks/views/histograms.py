"""How weights, gradients and activations are distributed."""

from functools import partial
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from encore.callbacks.views.view import View, show, viewers

VALUES = 2**12  # of a histogram, at most
MOST = 24  # histograms of a kind
ACTIVATIONS = "torch.nn.modules.activation"


class Histograms(View):
    """Show histograms at the first step of a few epochs: the first, two in between, and the last.

    Weights (without biases) are those before the step; gradients those before they are clipped; activations the outputs
    of layers with weights and of activation functions, for the step's batch. Compiled nets have no activations here.
    """

    armed = False

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        if index or trainer.current_epoch not in chosen(trainer) or not viewers(trainer, "show_histogram"):
            return
        self.armed, self.step = True, trainer.global_step
        for name, parameter in spread(weights(task)):
            self.show(trainer, f"net/weights/{name.removeprefix('net.')}", parameter)
        layers = [(name, module) for name, module in task.named_modules() if has_activations(module)]
        self.hooks = {}
        if not any(module._compiled_call_impl is not None for module in task.modules()):
            for name, module in spread(layers):
                self.hooks[name] = module.register_forward_hook(partial(self.made, trainer, name))

    def made(self, trainer: pl.Trainer, name: str, module: nn.Module, given: Any, output: Any) -> None:
        """Show what a layer has made, the first time."""
        if self.hooks.get(name) is not None and isinstance(output, Tensor) and output.is_floating_point():
            self.hooks.pop(name).remove()
            self.show(trainer, f"net/activations/{name.removeprefix('net.')}", output)

    def on_before_optimizer_step(self, trainer: pl.Trainer, task: pl.LightningModule, optimizer: Optimizer) -> None:
        """Gradients are complete here."""
        if not self.armed:
            return
        self.disarm()
        for name, parameter in spread(weights(task)):
            if parameter.grad is not None:
                self.show(trainer, f"net/gradients/{name.removeprefix('net.')}", parameter.grad)

    def disarm(self) -> None:
        self.armed = False
        for hook in getattr(self, "hooks", {}).values():
            hook.remove()
        self.hooks = {}

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        self.disarm()

    def show(self, trainer: pl.Trainer, tag: str, values: Tensor) -> None:
        if (some := sample(values)).size:
            show(trainer, "show_histogram", tag, some, self.step)


def chosen(trainer: pl.Trainer) -> set[int]:
    """The epochs whose first step is shown."""
    epochs = trainer.max_epochs
    if epochs in (None, -1):
        return {0, *(2**power for power in range(10))}
    assert epochs is not None
    return {0, epochs // 3, 2 * epochs // 3, epochs - 1}


def weights(task: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """A task's parameters without biases and other vectors."""
    return [(name, parameter) for name, parameter in task.named_parameters() if parameter.ndim > 1]


def spread(named: list[Any]) -> list[Any]:
    """At most 24 of them, evenly spread."""
    return named[:: -(-len(named) // MOST) or 1]


def has_activations(module: nn.Module) -> bool:
    """Whether a module is a layer with weights, or an activation function."""
    if next(module.children(), None) is not None:
        return False
    return type(module).__module__ == ACTIVATIONS or bool(module._parameters)


def sample(values: Tensor) -> np.ndarray:
    """Finite values, evenly spread over a tensor, at most 4,096 to 8,192."""
    if values.layout != torch.strided or not values.is_floating_point():
        return np.empty(0)
    flat = values.detach().flatten()
    some: np.ndarray = flat[:: max(1, len(flat) // VALUES)].float().cpu().numpy()
    return some[np.isfinite(some)]
