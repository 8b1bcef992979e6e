"""Several optimiser steps per call of Lightning's loop, which spreads the framework's cost over them."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.optimization.automatic import _AutomaticOptimization
from pytorch_lightning.loops.utilities import _block_parallel_sync_behavior
from pytorch_lightning.plugins import Precision
from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from encore.across_ranks import greatest
from encore.fast.hooks import OWN_WAY, one_at_a_time, overridden
from encore.fast.step import bare_step
from encore.stopping import Stop

log = logging.getLogger("encore")

# Maximum seconds per call, so that a bar moves and signals and time limits are noticed.
SECONDS = 0.5


class Execution(_AutomaticOptimization):
    """Lightning's optimisation, extended by up to `steps_per_execution` - 1 further steps per call.

    The first step of a call is Lightning's own, with all its hooks; the others compute the same bits and count the
    same. Under DDP the ranks agree once a call on how many steps it takes. Calls end at the end of an epoch, at a
    validation and at the last step. A callback with hooks for every batch may define `looks_every(trainer)`: None if
    once per call is enough, or a number, at whose multiples its `on_train_batch_start` and `on_before_optimizer_step`
    are called, too. If any other callback or the task has such hooks, every call takes one step.

    Args:
        trainer: the trainer whose loop this is installed in.
        steps: optimiser steps in a call, at most.
        stop: a request to stop; the call then ends after the current step.
        note_loss: called with every batch's loss, optimiser step and learning rate.
    """

    def __init__(
        self, trainer: pl.Trainer, steps: int, stop: Stop, note_loss: Callable[[Tensor, int, float], None]
    ) -> None:
        super().__init__(trainer)
        self.steps, self.stop, self.note_loss = steps, stop, note_loss
        self.limit = 0  # known when the first step is taken
        self.pace: float | None = None  # seconds that a step took in the last call
        # State within a call.
        self.batch: Any = None
        self.batches: Any = None
        self.take_step: Any = None

    def prepare(self) -> None:
        """Find out what a call may contain; by now the trainer knows its task, strategy and precision."""
        trainer = self.trainer
        reason = one_at_a_time(trainer) if self.steps > 1 else None
        if reason is not None:
            log.info("%s: one optimiser step per call", reason)
        self.limit = self.steps if reason is None else 1
        looks = [(part, part.looks_every(trainer)) for part in trainer.callbacks if hasattr(part, "looks_every")]  # type: ignore[attr-defined]
        self.looks = [(part, interval) for part, interval in looks if interval]
        self.by_step = any(schedule.interval == "step" for schedule in trainer.lr_scheduler_configs)
        # Looked up once instead of at every step: Lightning's properties cost more than a small layer.
        self.task, self.precision = trainer.lightning_module, trainer.precision_plugin
        self.together = isinstance(trainer.strategy, DDPStrategy)
        self.plain = type(self.precision).forward_context is Precision.forward_context
        self.wrapper: Any = trainer.strategy.model
        as_usual = type(trainer.strategy).training_step is Strategy.training_step and self.plain
        self.redirects = isinstance(self.wrapper, DistributedDataParallel) and as_usual
        # torch's optimisers call the closure first, LBFGS repeatedly; others may do either.
        kind = type(trainer.optimizers[0])
        self.calls_back = not kind.__module__.startswith("torch.optim.") or kind is torch.optim.LBFGS
        scaled = getattr(self.precision, "scaler", None) is not None
        self.by_lightning = scaled or overridden(self.task, OWN_WAY) is not None

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: "OrderedDict[str, Any]") -> dict[str, Any]:
        """Take Lightning's step, or accumulate its gradients, and then take further steps.

        Returns:
            What the first batch gave.
        """
        if not self.limit:
            self.prepare()
        until = time.monotonic() + SECONDS
        output = self.lightning_step(optimizer, batch_idx, kwargs)
        if self.limit != 1 and not self.trainer.fit_loop._should_accumulate():
            self.optimizer, self.arguments, self.batches = optimizer, tuple(kwargs), self.trainer.train_dataloader
            self.take_step = bare_step(optimizer)
            self.accumulated, self.clipped = self.trainer.accumulate_grad_batches, bool(self.trainer.gradient_clip_val)
            if self.together:
                self.steps_together(until)
            else:
                self.steps_alone(until)
            self.batch = self.batches = self.take_step = None  # release the memory
        return output

    def steps_alone(self, until: float) -> None:
        """Take steps until the time is up, or the run is asked to stop."""
        for _ in range(self.room()):
            if self.stop.asked is not None or self.trainer.should_stop or time.monotonic() > until:
                break
            self.step()

    def steps_together(self, until: float) -> None:
        """Take as many steps as all ranks have time for, by how long the last ones took."""
        fit = 1 if self.pace is None else int((until - time.monotonic()) / self.pace)
        mine = 0 if self.stop.asked is not None or self.trainer.should_stop else min(self.room(), max(fit, 0))
        number = -greatest(-mine, self.trainer.strategy.root_device)
        began = time.monotonic()
        for _ in range(number):
            self.step()
        if number:
            self.pace = (time.monotonic() - began) / number

    def lightning_step(self, optimizer: Optimizer, index: int, kwargs: "OrderedDict[str, Any]") -> dict[str, Any]:
        """Process a batch Lightning's way."""
        number, lr = self.optim_progress.optimizer_steps, float(optimizer.param_groups[0]["lr"])
        output: dict[str, Any] = super().run(optimizer, index, kwargs)
        if (loss := batch_loss(output)) is not None:
            self.note_loss(loss, number, lr)
        return output

    def room(self) -> int:
        """How many whole steps fit before something has to happen between two calls."""
        trainer, loop = self.trainer, self.trainer.fit_loop.epoch_loop
        if any(name.startswith("training_step.") for name in loop._results):  # a task that logs within a step
            return 0
        progress = loop.batch_progress
        batches = trainer.num_training_batches - progress.current.ready
        interval = trainer.val_check_batch
        if isinstance(interval, int) and interval > 0:
            done = progress.total.ready if trainer.check_val_every_n_epoch is None else progress.current.ready
            batches = min(batches, -done % interval)
        rooms = [self.limit - 1, batches // self.accumulated]
        if trainer.max_steps != -1:
            rooms.append(trainer.max_steps - trainer.global_step)
        return int(min(rooms))

    def step(self) -> None:
        """Take one optimiser step on the next batches, and count as Lightning does."""
        trainer, task = self.trainer, self.task
        number = self.optim_progress.optimizer_steps
        looking = [part for part, interval in self.looks if number % interval == 0]
        for turn in range(self.accumulated):
            self.next_batch(begins=turn == 0)
            for part in looking:
                part.on_train_batch_start(trainer, task, self.batch, self.index)
            trainer.fit_loop.epoch_loop.batch_progress.increment_started()
            if self.by_lightning:
                self.lightning_step(self.optimizer, self.index, self.given())
            else:
                self.own_step(number, turn, looking)

    def next_batch(self, begins: bool) -> None:
        """Do what Lightning does between two batches; `begins` says whether the next one begins a step."""
        trainer = self.trainer
        loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
        progress = loop.batch_progress
        progress.increment_processed()
        if self.by_step:
            loop.update_lr_schedulers("step", update_plateau_schedulers=False)
        progress.increment_completed()
        if begins:
            loop._batches_that_stepped += 1
        self.batch = None  # its memory is reused for the next one
        self.index, self.batch = progress.current.ready, next(self.batches)
        if not self.plain:
            self.batch = self.precision.convert_input(self.batch)
        assert fetcher is not None
        assert fetcher.length is not None
        fetcher.fetched += 1
        progress.is_last_batch = fetcher.done = fetcher.fetched >= fetcher.length
        progress.increment_ready()

    def own_step(self, number: int, turn: int, looking: list[pl.Callback]) -> None:
        """Do what Lightning does with a batch, without the checks that it makes before every part of it.

        Args:
            number: of the optimiser step.
            turn: the batch's among those of the step.
            looking: callbacks that look at the step.
        """
        counts, optimizer = self.optim_progress.optimizer.step, self.optimizer
        lr = float(optimizer.param_groups[0]["lr"])
        closure = partial(self.closure, turn, looking)
        if turn < self.accumulated - 1:
            with _block_parallel_sync_behavior(self.trainer.strategy):
                closure()
        else:
            counts.increment_ready()
            if self.calls_back:
                optimizer.step(torch.enable_grad()(closure))  # type: ignore[arg-type]
            else:
                closure()
                self.take_step()
            counts.increment_completed()
        if (loss := batch_loss(self.output)) is not None:
            self.note_loss(loss, number, lr)

    def given(self) -> "OrderedDict[str, Any]":
        """Arguments of the task's `training_step`: the batch, and its index if it takes one."""
        return OrderedDict(zip(self.arguments, (self.batch, self.index), strict=False))

    def redirected(self) -> Any:
        """Take the task's step through torch's wrapper, which adds up the gradients, as Lightning does."""
        task, forward = self.task, self.task.forward

        def step(*given: Any) -> Any:
            vars(task)["forward"] = forward  # the step may call it
            return task.training_step(*given)

        vars(task)["forward"] = step  # setattr goes through all that a module may hold
        return self.wrapper(*self.given().values())

    def closure(self, turn: int, looking: list[pl.Callback]) -> Tensor | None:
        """Compute a batch's loss and add its gradients to those of the step's earlier batches."""
        trainer, task, optimizer = self.trainer, self.task, self.optimizer
        if self.redirects:
            output: Any = self.redirected()
        elif self.together:
            output = trainer.strategy.training_step(*self.given().values())
        elif self.plain:
            output = task.training_step(*self.given().values())
        else:
            with self.precision.train_step_context():
                output = task.training_step(*self.given().values())
        if turn == 0:
            zero_grad(optimizer)
            counts = self.optim_progress.optimizer.zero_grad
            counts.increment_ready()
            counts.increment_started()
            counts.increment_completed()
        self.output: dict[str, Any] = {"loss": output} if isinstance(output, Tensor) else {**(output or {})}
        loss: Tensor | None = self.output.get("loss")
        if loss is not None:  # a task may skip a batch
            if self.accumulated > 1:
                loss = loss / self.accumulated
            loss.backward()
            self.output["loss"] = loss.detach()
        if turn == self.accumulated - 1:
            for part in looking:
                part.on_before_optimizer_step(trainer, task, optimizer)
            if self.clipped:
                task.configure_gradient_clipping(optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)
        return loss


def batch_loss(output: dict[str, Any]) -> Tensor | None:
    """The loss of a batch, from what a task returned for it; None if there is none."""
    loss = output.get("batch_loss", output.get("loss"))
    return loss.detach() if isinstance(loss, Tensor) else None


def zero_grad(optimizer: Optimizer) -> None:
    """Drop the previous step's gradients; torch's own function takes ten times as long."""
    if type(optimizer).zero_grad is not Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
