"""The weights of all members of a population, a row each, with their gradients and the optimiser's state."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adadelta, Adagrad, Adam, AdamW, Optimizer, RMSprop
from torch.optim.adadelta import adadelta
from torch.optim.rmsprop import rmsprop

# A row is padded to a multiple of this many numbers: every row then lies in memory alike, and torch's kernels never
# handle its last numbers in another way than the others.
ALIGNED = 128


class Slab:
    """The parameters of one group of the optimiser, for all rows.

    Args:
        names: of the parameters, as the task has them.
        group: the optimiser's group, of any member.
        kind: the optimiser's class.
        rows: how many there are.

    Attributes:
        weights, gradients: float32 [rows, width].
        states: the optimiser's, by name, each float32 [rows, width].
        leaves, of_leaves: the parameters and their gradients by name, [rows, *shape], views of these.
    """

    def __init__(self, names: list[str], group: dict[str, Any], kind: type[Optimizer], rows: int) -> None:
        parameters: list[nn.Parameter] = group["params"]
        self.kernel, states = KERNELS[kind]
        width = sum(-(-each.numel() // ALIGNED) * ALIGNED for each in parameters)
        device = parameters[0].device
        self.weights, self.gradients = (torch.zeros(rows, width, device=device) for _ in range(2))
        self.states = {name: torch.zeros(rows, width, device=device) for name in states(group)}
        self.places: list[tuple[str, int, torch.Size]] = []
        self.leaves: dict[str, Tensor] = {}
        self.of_leaves: dict[str, Tensor] = {}
        begin = 0
        for name, parameter in zip(names, parameters, strict=True):
            place = name, begin, parameter.shape
            self.places.append(place)
            self.leaves[name] = self.part(self.weights, place)
            self.of_leaves[name] = self.part(self.gradients, place)
            begin += -(-parameter.numel() // ALIGNED) * ALIGNED

    @staticmethod
    def part(rows: Tensor, place: tuple[str, int, torch.Size]) -> Tensor:
        """A parameter's numbers in all rows, [rows, *shape], or in one."""
        _, begin, shape = place
        return rows[..., begin : begin + math.prod(shape)].view(*rows.shape[:-1], *shape)

    def take(self, row: int, optimizer: Optimizer, group: dict[str, Any]) -> None:
        """Copy a member's parameters, and its optimiser's state, into a row."""
        with torch.no_grad():
            for place, parameter in zip(self.places, group["params"], strict=True):
                self.part(self.weights[row], place).copy_(parameter)
                held = optimizer.state.get(parameter, {})
                for name, state in self.states.items():
                    if held.get(name) is not None:
                        self.part(state[row], place).copy_(held[name])

    def give(self, row: Tensor, group: dict[str, Any]) -> None:
        """Copy a row of weights, [width], into a member's parameters."""
        with torch.no_grad():
            for place, parameter in zip(self.places, group["params"], strict=True):
                parameter.copy_(self.part(row, place))

    def give_state(self, row: int, optimizer: Optimizer, group: dict[str, Any], steps: int) -> None:
        """Copy a row's state into a member's optimiser."""
        for place, parameter in zip(self.places, group["params"], strict=True):
            held = {name: self.part(state[row], place).clone() for name, state in self.states.items()}
            if not isinstance(optimizer, SGD):
                held["step"] = torch.tensor(float(steps))
            if held:
                optimizer.state[parameter] = held

    def gradient(self, row: int) -> Iterator[Tensor]:
        """A row's gradients, one for each parameter."""
        return (self.part(self.gradients[row], place) for place in self.places)

    def step(self, first: int, end: int, group: dict[str, Any], steps: int) -> None:
        """Take an optimiser's step in some rows.

        Args:
            first, end: the rows.
            group: the settings, which all of them share.
            steps: that each of them has taken before.
        """
        states = [state[first:end] for state in self.states.values()]
        self.kernel(self.weights[first:end], self.gradients[first:end], states, group, steps)


def step_adam(weights: Tensor, gradients: Tensor, states: list[Tensor], group: dict[str, Any], steps: int) -> None:
    beta1, beta2 = group["betas"]
    kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
    kernel(
        [weights], [gradients], [states[0]], [states[1]], [], [torch.tensor(steps + 1.0, device=weights.device)],
        lr=group["lr"], beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"], eps=group["eps"],
        amsgrad=False, maximize=group["maximize"], grad_scale=None, found_inf=None,
    )  # fmt: skip


def step_sgd(weights: Tensor, gradients: Tensor, states: list[Tensor], group: dict[str, Any], steps: int) -> None:
    torch._fused_sgd_(
        [weights], [gradients], states, weight_decay=group["weight_decay"], momentum=group["momentum"], lr=group["lr"],
        dampening=group["dampening"], nesterov=group["nesterov"], maximize=group["maximize"],
        is_first_step=bool(states) and steps == 0, grad_scale=None, found_inf=None,
    )  # fmt: skip


def step_adagrad(weights: Tensor, gradients: Tensor, states: list[Tensor], group: dict[str, Any], steps: int) -> None:
    torch._fused_adagrad_(
        [weights], [gradients], states, [torch.tensor(steps + 1.0, device=weights.device)], lr=group["lr"],
        lr_decay=group["lr_decay"], weight_decay=group["weight_decay"], eps=group["eps"], maximize=group["maximize"],
        grad_scale=None, found_inf=None,
    )  # fmt: skip


def step_rmsprop(weights: Tensor, gradients: Tensor, states: list[Tensor], group: dict[str, Any], steps: int) -> None:
    with torch.no_grad():
        rmsprop(
            [weights], [gradients], [states[0]], [], states[1:], [torch.tensor(float(steps))], foreach=False,
            maximize=group["maximize"], differentiable=False, capturable=False, has_complex=False, lr=group["lr"],
            alpha=group["alpha"], eps=group["eps"], weight_decay=group["weight_decay"], momentum=group["momentum"],
            centered=False,
        )  # fmt: skip


def step_adadelta(weights: Tensor, gradients: Tensor, states: list[Tensor], group: dict[str, Any], steps: int) -> None:
    with torch.no_grad():
        adadelta(
            [weights], [gradients], [states[0]], [states[1]], [torch.tensor(float(steps))], foreach=False,
            differentiable=False, capturable=False, has_complex=False, lr=group["lr"], rho=group["rho"],
            eps=group["eps"], weight_decay=group["weight_decay"], maximize=group["maximize"],
        )  # fmt: skip


Kernel = Callable[[Tensor, Tensor, list[Tensor], dict[str, Any], int], None]
# For each optimiser its step, and the names of its states; each number of a weight is stepped without the others.
KERNELS: dict[type[Optimizer], tuple[Kernel, Callable[[dict[str, Any]], list[str]]]] = {
    SGD: (step_sgd, lambda group: ["momentum_buffer"] if group["momentum"] else []),
    Adam: (step_adam, lambda group: ["exp_avg", "exp_avg_sq"]),
    AdamW: (step_adam, lambda group: ["exp_avg", "exp_avg_sq"]),
    RMSprop: (step_rmsprop, lambda group: ["square_avg"] + (["momentum_buffer"] if group["momentum"] else [])),
    Adagrad: (step_adagrad, lambda group: ["sum"]),
    Adadelta: (step_adadelta, lambda group: ["square_avg", "acc_delta"]),
}
