"""Whether the learning rate is right: how much a step changes the weights, and what the loss did."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from encore.callbacks import losses
from encore.callbacks.values import log_step
from encore.callbacks.views.view import SHORT, View, planned_steps
from encore.errors import InputError

log = logging.getLogger("encore")

MOST = 2**24  # numbers of weights that are copied for a step: 64 MB
LAYERS = 50
TIMES = 20  # measured in a run, at most
USUAL = (3e-5, 3e-2)  # a step's change over the weights, about 1e-3


class Updates(View):
    """Log `updates/LAYER`, the norm of a step's change over the norm of the weights, at the first step of an epoch,
    in 20 epochs at most.

    At the end one sentence says what to try, where the training loss grew or did not move, or the ratio was far from
    1e-3. Only weights of two and more dimensions count, up to 16 million numbers.
    """

    def __init__(self) -> None:
        self.ratios: list[float] = []  # medians over the layers
        self.whole = False  # whether the run began in this process

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.whole = trainer.global_step == 0

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        """Measure the next step; where a task takes its steps itself, a run may be resumed before the first."""
        if task.automatic_optimization and index == 0 and trainer.optimizers and self.due(trainer):
            optimizer, step = trainer.optimizers[0], trainer.global_step
            if layers := measured(task, optimizer):
                measure_next(optimizer, list(layers.values()), lambda found: self.note(trainer, step, layers, found))

    def due(self, trainer: pl.Trainer) -> bool:
        """Whether the epoch is one of those whose first step is measured."""
        every = max(1, -(-(trainer.max_epochs or 1) // TIMES))
        return trainer.current_epoch % every == 0 and trainer.is_global_zero

    def note(self, trainer: pl.Trainer, step: int, layers: dict[str, Tensor], found: list[float]) -> None:
        if known := self.kept(layers, found):
            log_step(trainer, known, step)

    def kept(self, layers: Iterable[str], found: list[float]) -> dict[str, float]:
        """What there is to log of a step's ratios by layers."""
        known = {f"updates/{name}": each for name, each in zip(layers, found, strict=True) if math.isfinite(each)}
        if known:
            self.ratios.append(float(np.median(list(known.values()))))
        return known

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not trainer.is_global_zero or planned_steps(trainer) < SHORT:
            return
        try:
            held = losses.read(Path(trainer.default_root_dir))
        except InputError:  # a task that returns no losses
            held = np.empty(0)
        if sentence := advice(held, self.ratios if self.whole else []):
            log.info(sentence)


def measured(task: pl.LightningModule, optimizer: Optimizer) -> dict[str, Tensor]:
    """The weights whose change is measured, by the names of their layers."""
    stepped = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    found: dict[str, Tensor] = {}
    numbers = 0
    for name, parameter in task.named_parameters():
        numbers += parameter.numel()
        if numbers > MOST or len(found) == LAYERS:
            break
        if id(parameter) in stepped and parameter.ndim > 1 and parameter.requires_grad:
            found[name.removeprefix("net.").removesuffix(".weight")] = parameter
    return found


def measure_next(optimizer: Optimizer, weights: Sequence[Tensor], told: Callable[[list[float]], None]) -> None:
    """Tell by how much an optimiser's next step changes weights, over their norm."""
    own, plain = vars(optimizer).get("step"), optimizer.step

    def step(*args: Any, **kwargs: Any) -> Any:
        if own is None:
            del vars(optimizer)["step"]
        else:
            vars(optimizer)["step"] = own
        before = [weight.detach().clone() for weight in weights]
        made = plain(*args, **kwargs)
        change = torch._foreach_norm(torch._foreach_sub([weight.detach() for weight in weights], before))
        norms = torch._foreach_norm(before)
        told([float(moved / norm) for moved, norm in zip(change, norms, strict=True)])
        return made

    if own is not None:  # as of a schedule, whose mark tells that it only notes the call
        vars(step).update(vars(own))
    vars(optimizer)["step"] = step


def advice(values: np.ndarray, ratios: Sequence[float]) -> str | None:
    """One sentence on what went wrong and what to try; None where nothing did.

    Args:
        values: the loss of every batch, [n].
        ratios: of a step's change over the weights; none: unknown.
    """
    part = len(values) // 10
    if part:
        begin, end = values[:part].astype(np.float64), values[-part:].astype(np.float64)
        first, last = begin.mean(), end.mean()
        noise = 3 * math.sqrt((begin.var() + end.var()) / part)
        moved, size = abs(last - first), abs(first)
        if last - first > max(noise, 0.01 * size):
            return (
                f"the training loss grew from {first:.4g} to {last:.4g}: try a smaller optim.lr, such as a tenth "
                "of it, or trainer.gradient_clip_val=1"
            )
        if moved < 1e-3 * size or moved < min(noise, 0.02 * size):
            return (
                f"the training loss did not move (from {first:.4g} to {last:.4g}): try another optim.lr, ten times as "
                "large or a tenth; debug=overfit shows whether the net can learn a few examples at all"
            )
    if ratios and max(ratios) < USUAL[0]:
        return (
            f"a step changed the weights by {max(ratios):.1g} of their size at most, usual is about 1e-3: "
            "try a larger optim.lr, such as ten times as large"
        )
    if ratios and float(np.median(ratios)) > USUAL[1]:
        return (
            f"a step changed the weights by {float(np.median(ratios)):.1g} of their size, usual is about 1e-3: "
            "try a smaller optim.lr, such as a tenth of it"
        )
    return None
