"""From recipes to an optimiser over a net's parameters, and its schedule."""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from encore.build import build

# The devices that torch has a fused kernel for, by optimiser.
FUSED = {
    "torch.optim.SGD": {"cpu", "cuda", "mps"},
    "torch.optim.Adam": {"cpu", "cuda", "mps"},
    "torch.optim.AdamW": {"cpu", "cuda", "mps"},
    "torch.optim.Adagrad": {"cpu"},
}
# Settings of a scheduler that Lightning reads, and torch does not know.
OURS = ("interval", "frequency", "monitor")


def build_optimizer(recipe: dict, net: nn.Module, device: torch.device, mixed: bool = False) -> Optimizer:
    """Build the optimiser of a net's trainable parameters.

    `fused: auto` takes torch's fused kernel where it has one for the device, but not in mixed precision: there it
    unscales gradients by itself, and Lightning can no longer clip them. With `exclude_bias_and_norm`, biases and
    norm parameters, which have one dimension, get no weight decay.
    """
    settings = {key: value for key, value in recipe.items() if key != "exclude_bias_and_norm"}
    if settings.get("fused") == "auto":
        settings["fused"] = not mixed and device.type in FUSED.get(recipe["_target_"], ())
    groups = parameter_groups(net, recipe.get("exclude_bias_and_norm", False))
    return build(settings, groups, what="optim")


def parameter_groups(net: nn.Module, exclude_bias_and_norm: bool) -> list[dict[str, Any]]:
    """One group of all parameters, or the matrices, and then biases and norm parameters without decay."""
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not exclude_bias_and_norm:
        return [{"params": trained}]
    decayed = [parameter for parameter in trained if parameter.ndim > 1]
    rest = [parameter for parameter in trained if parameter.ndim <= 1]
    return [group for group in ({"params": decayed}, {"params": rest, "weight_decay": 0.0}) if group["params"]]


def build_schedule(recipe: dict, optimizer: Optimizer, length: dict[str, int]) -> dict[str, Any] | None:
    """Build what Lightning calls a scheduler config; None where the learning rate stays.

    Args:
        recipe: the config's `scheduler`. A setting `auto` is the run's length in intervals.
        optimizer: whose learning rate is scheduled.
        length: the run's length by interval: `{"epoch": …, "step": …}`.
    """
    if "_target_" not in recipe:
        return None
    interval = recipe.get("interval", "epoch")
    settings = {key: length[interval] if value == "auto" else value for key, value in recipe.items() if key not in OURS}
    schedule = {
        "scheduler": build(settings, optimizer, what="scheduler"),
        "interval": interval,
        "frequency": recipe.get("frequency", 1),
    }
    if recipe.get("monitor"):
        schedule["monitor"] = recipe["monitor"]
    return schedule
