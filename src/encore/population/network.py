"""One net with the weights of all members of a population at once."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from encore.population.programs import Programs, recorded
from encore.tasks.batches import detached
from encore.tasks.supervised import Supervised


class Masked(nn.Module):
    """Dropout whose mask is given, so that each row has the one that its run alone would draw."""

    mask: Tensor

    def __init__(self, p: float, mask: Tensor) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("mask", mask)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * self.mask if self.training else inputs


class Step(nn.Module):
    """What a step computes of a batch: the loss, and what metrics compare.

    Args:
        task: its own copy.
        training: whether it is a training step, or one of evaluation.
    """

    def __init__(self, task: Supervised, training: bool) -> None:
        super().__init__()
        self.task = task.train(training)

    def forward(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Any, Any]:
        task = self.task
        targets = task.aim(inputs, targets)
        outputs = task(inputs)
        loss = task.training_loss(outputs, targets) if task.training else task.loss(outputs, targets)
        if task.training and task.penalty is not None:  # all are trained, which batched parameters do not say
            loss = loss + task.penalty.of(list(task.net.parameters()))
        return loss, task.prediction(detached(outputs)), task.truth(targets)


class Passed(NamedTuple):
    """What a pass of all rows gives: losses [rows], predictions and truth [rows, n, …], gradients [rows, *shape]."""

    losses: Tensor
    predicted: Any
    truth: Any
    gradients: list[Tensor]


class Network:
    """A task's passes for all rows.

    Args:
        task: any member's, for its structure.
        names: of the weights, in the order in which they are given.
        buffers: the tasks' buffers by name, [rows, *shape].
        programs: those of passes that have been traced before, for a task with the same settings.
    """

    def __init__(self, task: Supervised, names: Sequence[str], buffers: dict[str, Tensor], programs: Programs) -> None:
        self.names = list(names)
        self.training, self.evaluation = (Step(without_trainer(task), training=each) for each in (True, False))
        self.dropouts = with_masks(self.training)
        self.buffers = {f"task.{name}": tensor for name, tensor in buffers.items()}
        self.shapes: dict[int, list[torch.Size]] = {}
        self.programs = programs

    def step(self, weights: Sequence[Tensor], inputs: Tensor, targets: Tensor, masks: Sequence[Tensor]) -> Passed:
        """A training pass of a batch of each row, with the gradients of every row's loss.

        Args:
            weights: in the order of `names`, [rows, *shape].
            inputs: [rows, n, *shape].
            targets: [rows, n, …].
            masks: of dropout, in the order of the layers, [rows, *shape].
        """
        return self.traced(self.with_gradients, weights, self.buffers, inputs, targets, masks)

    def evaluate(self, weights: Sequence[Tensor], inputs: Tensor, targets: Tensor) -> Passed:
        """An evaluation pass, by the evaluation's loss; without gradients."""
        return self.traced(self.without_gradients, weights, self.buffers, inputs, targets, [])

    def traced(self, run: Callable[..., Any], *given: Any) -> Passed:
        """Run a pass by the list of torch's own operations that it consists of: a third of the time that it takes.

        The list is made the first time that tensors of these shapes are given.
        """
        weights, _, inputs, targets, _ = given
        key = run.__name__, len(weights[0]), inputs.shape, inputs.dtype, targets.shape, targets.dtype
        if key not in self.programs:
            self.programs[key] = recorded(run, given)
        with torch.no_grad():
            return Passed(*self.programs[key](*given))

    def with_gradients(
        self,
        weights: Sequence[Tensor],
        buffers: dict[str, Tensor],
        inputs: Tensor,
        targets: Tensor,
        masks: Sequence[Tensor],
    ) -> Passed:
        named = {f"{name}.mask": mask for (name, _), mask in zip(self.dropouts, masks, strict=True)}
        leaves = [weight.detach().requires_grad_() for weight in weights]
        losses, predicted, truth = self.run(self.training, leaves, buffers | named, inputs, targets)
        gradients = torch.autograd.grad(losses.sum(), leaves, materialize_grads=True)
        return Passed(losses.detach(), predicted, truth, list(gradients))

    def without_gradients(
        self,
        weights: Sequence[Tensor],
        buffers: dict[str, Tensor],
        inputs: Tensor,
        targets: Tensor,
        masks: Sequence[Tensor],
    ) -> Passed:
        with torch.no_grad():
            return Passed(*self.run(self.evaluation, weights, buffers, inputs, targets), [])

    def run(
        self, module: nn.Module, weights: Sequence[Tensor], more: dict[str, Tensor], inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Any, Any]:
        """Losses [rows], predictions and truth [rows, n, …]."""

        def one(held: dict[str, Tensor], given: Tensor, wanted: Tensor) -> tuple[Tensor, Any, Any]:
            made: tuple[Tensor, Any, Any] = functional_call(module, held, (given, wanted))
            return made

        named = {f"task.{name}": weight for name, weight in zip(self.names, weights, strict=True)}
        return torch.vmap(one)(named | more, inputs, targets)

    def draw_masks(self, inputs: Tensor) -> list[Tensor]:
        """Masks of dropout for a batch of one row, from the default generator, as torch's own dropout draws them."""
        return [
            torch.empty(shape, device=inputs.device).bernoulli_(1 - module.p).div_(1 - module.p)
            for (_, module), shape in zip(self.dropouts, self.shapes_for(inputs), strict=True)
        ]

    def shapes_for(self, inputs: Tensor) -> list[torch.Size]:
        """The shapes of what the dropout layers get for a batch of one row, in order."""
        if not self.dropouts:
            return []
        if len(inputs) not in self.shapes:
            seen: list[torch.Size] = []
            hooks = [
                module.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
                for module in self.evaluation.modules()
                if isinstance(module, nn.Dropout)
            ]
            with torch.no_grad():
                self.evaluation.task(inputs)
            for hook in hooks:
                hook.remove()
            self.shapes[len(inputs)] = seen
        return self.shapes[len(inputs)]


def without_trainer(task: Supervised) -> Supervised:
    """A copy of a task without its trainer."""
    trainer, task._trainer = task._trainer, None
    try:
        return copy.deepcopy(task)
    finally:
        task._trainer = trainer


def with_masks(module: nn.Module) -> list[tuple[str, Masked]]:
    """Replace dropout layers by such whose masks are given; returns them by name, in order."""
    found = [(name, each) for name, each in module.named_modules() if isinstance(each, nn.Dropout)]
    made = []
    for name, each in found:
        above, _, own = name.rpartition(".")
        masked = Masked(each.p, torch.empty(0)).train()
        setattr(module.get_submodule(above), own, masked)
        made.append((name, masked))
    return made
