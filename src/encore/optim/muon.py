"""Muon for matrices, and AdamW for everything else."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim._muon import DEFAULT_A, DEFAULT_B, DEFAULT_C, muon
from torch.optim.adamw import adamw

COEFFICIENTS = (DEFAULT_A, DEFAULT_B, DEFAULT_C)  # of torch.optim.Muon's Newton-Schulz iteration


class Muon(Optimizer):
    """torch.optim.Muon for weights of two dimensions, torch.optim.AdamW for all others, at one learning rate.

    Muon moves a matrix along its momentum with all singular values made equal (Jordan et al. 2024). Its step is scaled
    by 0.2 · √max(rows, columns), as large as one of AdamW's, so that both take the same rate and decay
    (Liu et al. 2025, Muon is Scalable for LLM Training).

    Args:
        params: parameters, or groups of them.
        lr: learning rate of both.
        weight_decay: of both, decoupled.
        momentum: of Muon, with Nesterov's form.
        betas: of AdamW.
        eps: of AdamW.
        ns_steps: iterations by which singular values are made equal.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        ns_steps: int = 5,
    ) -> None:
        if lr <= 0:
            raise ValueError(f"lr must be greater than 0, not {lr}")
        if weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, not {weight_decay}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1, not {momentum}")
        if not 1 <= ns_steps < 100:
            raise ValueError(f"ns_steps must be from 1 to 99, not {ns_steps}")
        usual = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": betas, "eps": eps}
        super().__init__(params, {**usual, "ns_steps": ns_steps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            trained = [each for each in group["params"] if each.grad is not None]
            self.by_muon(group, [each for each in trained if each.ndim == 2])
            self.by_adamw(group, [each for each in trained if each.ndim != 2])
        return loss

    def by_muon(self, group: dict[str, Any], matrices: list[Tensor]) -> None:
        momenta = [self.kept(each, "momentum_buffer", each.detach()) for each in matrices]
        muon(
            matrices, gradients(matrices), momenta,
            lr=group["lr"], weight_decay=group["weight_decay"], momentum=group["momentum"], nesterov=True,
            ns_coefficients=COEFFICIENTS, ns_steps=group["ns_steps"], eps=1e-7, adjust_lr_fn="match_rms_adamw",
            has_complex=False,
        )  # fmt: skip

    def by_adamw(self, group: dict[str, Any], others: list[Tensor]) -> None:
        averages, squares = ([self.kept(each, name, each.detach()) for each in others] for name in AVERAGES)
        counts = [self.kept(each, "step", torch.tensor(0.0)) for each in others]
        beta1, beta2 = group["betas"]
        adamw(
            others, gradients(others), averages, squares, [], counts,
            amsgrad=False, beta1=beta1, beta2=beta2, lr=group["lr"], weight_decay=group["weight_decay"],
            eps=group["eps"], maximize=False,
        )  # fmt: skip

    def kept(self, parameter: Tensor, name: str, like: Tensor) -> Tensor:
        """What is kept of a parameter, zero in its first step."""
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(like)
        held: Tensor = state[name]
        return held


AVERAGES = ("exp_avg", "exp_avg_sq")


def gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [each.grad for each in parameters if each.grad is not None]
