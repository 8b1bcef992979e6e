"""An optimiser's step without torch's lookups before each one, which take as long as a small model's kernel."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

# Takes a step for a parameter group, given its gradients.
GroupStep = Callable[[list[Tensor]], None]


def bare_step(optimizer: Optimizer) -> Callable[[], Any]:
    """A step with the same bits, without torch's wrapper for hooks and profilers if there are none.

    For the fused Adam, AdamW and SGD, states are collected once, after a first step, and not again at every step.
    Settings of the groups may change afterwards, but hooks may not be added.
    """
    wrapped = getattr(type(optimizer).step, "__wrapped__", None)
    hooks = (
        optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks,
        _global_optimizer_pre_hooks, _global_optimizer_post_hooks,
    )  # fmt: skip
    # A schedule replaces `step` by a wrapper that only notes the call.
    replaced = "step" in vars(optimizer) and not hasattr(optimizer.step, "_wrapped_by_lr_sched")
    if wrapped is None or any(hooks) or replaced or not hasattr(type(optimizer).step, "hooked"):
        return lambda: optimizer.step()
    unhooked = partial(wrapped, optimizer)
    prepare = FUSED_STEPS.get(type(optimizer))
    if prepare is None or not all(map(uniform, optimizer.param_groups)):
        return unhooked
    try:
        steps = [prepare(optimizer, group) for group in optimizer.param_groups]
    except KeyError:  # a parameter without a gradient so far
        return unhooked
    groups = [group["params"] for group in optimizer.param_groups]
    states, momenta = optimizer.state, with_momentum(optimizer)

    def step() -> Any:
        if optimizer.state is not states or with_momentum(optimizer) != momenta:
            return unhooked()
        gradients = [[parameter.grad for parameter in group] for group in groups]
        for given in gradients:
            for gradient in given:
                if gradient is None:
                    return unhooked()
        with torch.no_grad():
            for group_step, given in zip(steps, gradients, strict=True):
                group_step(given)
        return None

    return step


def uniform(group: dict[str, Any]) -> bool:
    """Whether one fused kernel handles a whole group."""
    kinds = {(parameter.device, parameter.dtype) for parameter in group["params"]}
    numbers = (group["lr"], *group.get("betas", ()))
    return bool(group["fused"]) and len(kinds) == 1 and not any(isinstance(number, Tensor) for number in numbers)


def adam(optimizer: Optimizer, group: dict[str, Any]) -> GroupStep:
    averages, squares, counts = (of(optimizer, group, name) for name in ("exp_avg", "exp_avg_sq", "step"))
    largest = of(optimizer, group, "max_exp_avg_sq") if group["amsgrad"] else []
    kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_

    def step(gradients: list[Tensor]) -> None:
        torch._foreach_add_(counts, 1)
        beta1, beta2 = group["betas"]
        kernel(
            group["params"], gradients, averages, squares, largest, counts,
            lr=group["lr"], beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"], eps=group["eps"],
            amsgrad=group["amsgrad"], maximize=group["maximize"], grad_scale=None, found_inf=None,
        )  # fmt: skip

    return step


def sgd(optimizer: Optimizer, group: dict[str, Any]) -> GroupStep:
    momenta = of(optimizer, group, "momentum_buffer") if group["momentum"] else []

    def step(gradients: list[Tensor]) -> None:
        torch._fused_sgd_(
            group["params"], gradients, momenta,
            weight_decay=group["weight_decay"], momentum=group["momentum"], lr=group["lr"],
            dampening=group["dampening"], nesterov=group["nesterov"], maximize=group["maximize"],
            is_first_step=False, grad_scale=None, found_inf=None,
        )  # fmt: skip

    return step


def with_momentum(optimizer: Optimizer) -> list[bool]:
    """Which groups have a momentum, and so a state for it."""
    return [bool(group.get("momentum")) for group in optimizer.param_groups]


def of(optimizer: Optimizer, group: dict[str, Any], name: str) -> list[Tensor]:
    return [optimizer.state.get(parameter, {})[name] for parameter in group["params"]]


FUSED_STEPS: dict[type, Callable[[Optimizer, dict[str, Any]], GroupStep]] = {Adam: adam, AdamW: adam, SGD: sgd}
