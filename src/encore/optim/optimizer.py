"""Builds the optimiser and its schedule from their recipes."""

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from encore.config.build import build
from encore.errors import ConfigError
from encore.models.fine_tuning import is_in

# Devices with a fused kernel in torch, by optimiser.
FUSED = {
    "torch.optim.SGD": {"cpu", "cuda", "mps"},
    "torch.optim.Adam": {"cpu", "cuda", "mps"},
    "torch.optim.AdamW": {"cpu", "cuda", "mps"},
    "torch.optim.Adagrad": {"cpu"},
}
OF_GROUPS = ("exclude_bias_and_norm", "lr_factors")  # settings by which the parameters are grouped
# Settings of a scheduler that Lightning reads and torch does not know.
OURS = ("interval", "frequency", "monitor")


def build_optimizer(recipe: dict, net: nn.Module, device: torch.device, mixed: bool = False) -> Optimizer:
    """Build the optimiser of a net's trainable parameters.

    `fused: auto` uses torch's fused kernel if there is one for the device, except in mixed precision: there the kernel
    unscales gradients itself, and Lightning can no longer clip them. With `exclude_bias_and_norm`, biases and
    norm parameters, which have one dimension, get no weight decay. `lr_factors` gives, by the names of modules, what
    the learning rate is multiplied by there; of two names that fit the longer counts.

    Raises:
        ConfigError: it cannot be built, or nothing is trained in a module that is named.
    """
    settings = {key: value for key, value in recipe.items() if key not in OF_GROUPS}
    if settings.get("fused") == "auto":
        settings["fused"] = not mixed and device.type in FUSED.get(recipe["_target_"], ())
    groups = parameter_groups(net, recipe.get("exclude_bias_and_norm", False))
    if factors := recipe.get("lr_factors"):
        groups = with_factors(groups, net, factors, settings)
    optimizer = build(settings, groups, what="optim")
    if not isinstance(optimizer, Optimizer):
        raise ConfigError(f"optim._target_={recipe['_target_']} makes a {type(optimizer).__name__}, and no Optimizer")
    return optimizer


def parameter_groups(net: nn.Module, exclude_bias_and_norm: bool) -> list[dict[str, Any]]:
    """One group with all parameters; or two, the second with biases and norm parameters, without weight decay."""
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not exclude_bias_and_norm:
        return [{"params": trained}]
    decayed = [parameter for parameter in trained if parameter.ndim > 1]
    rest = [parameter for parameter in trained if parameter.ndim <= 1]
    return [group for group in ({"params": decayed}, {"params": rest, "weight_decay": 0.0}) if group["params"]]


def with_factors(
    groups: list[dict[str, Any]], net: nn.Module, factors: dict[str, float], settings: dict
) -> list[dict[str, Any]]:
    """Groups split by the factor of their learning rate."""
    if not isinstance(settings.get("lr"), int | float):
        raise ConfigError("optim.lr_factors multiplies optim.lr, which is not set")
    names = {id(parameter): name for name, parameter in net.named_parameters() if parameter.requires_grad}
    named = sorted(factors, key=len, reverse=True)
    for module in named:
        if not any(is_in(name, [module]) for name in names.values()):
            raise ConfigError(f"optim.lr_factors: the model trains nothing in {module!r}")
    split: list[dict[str, Any]] = []
    for group in groups:
        by_factor: dict[float, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            fitting = (factors[module] for module in named if is_in(names[id(parameter)], [module]))
            by_factor.setdefault(next(fitting, 1.0), []).append(parameter)
        split += [{**group, "params": held, "lr": settings["lr"] * each} for each, held in by_factor.items()]
    return split


def build_schedule(recipe: dict, optimizer: Optimizer, length: dict[str, int]) -> dict[str, Any] | None:
    """Build Lightning's scheduler config; None if the learning rate is constant.

    Args:
        recipe: the config's `scheduler`. A setting `auto` is the run's length in intervals.
        optimizer: the optimiser whose learning rate is scheduled.
        length: the run's length by interval: `{"epoch": …, "step": …}`.

    Raises:
        ConfigError: it cannot be built.
    """
    if "_target_" not in recipe:
        return None
    interval = recipe.get("interval", "epoch")
    settings = {key: length[interval] if value == "auto" else value for key, value in recipe.items() if key not in OURS}
    built, frequency = build(settings, optimizer, what="scheduler"), recipe.get("frequency", 1)
    if not callable(getattr(built, "step", None)):
        raise ConfigError(f"scheduler._target_={recipe['_target_']} makes a {type(built).__name__}, and no schedule")
    schedule = {
        "scheduler": built,
        "interval": interval,
        "frequency": frequency,
    }
    if recipe.get("monitor"):
        schedule["monitor"] = recipe["monitor"]
    return schedule


def check_length(schedule: dict[str, Any] | None, length: dict[str, int]) -> None:
    """Raise ConfigError for a schedule that ends before the run: torch's one cycle then fails in the middle of it."""
    if schedule is None or not isinstance(schedule["scheduler"], OneCycleLR):
        return
    interval, total = schedule["interval"], schedule["scheduler"].total_steps
    if (needed := length[interval] // schedule["frequency"]) > total:
        raise ConfigError(
            f"scheduler.total_steps={total} ends before the run, which has {needed} {interval}s; auto is as many"
        )
