"""Several optimiser steps in one call of Lightning's loop, so that what the framework costs is paid once for them."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.fetchers import _DataLoaderIterDataFetcher
from pytorch_lightning.loops.optimization.automatic import _AutomaticOptimization
from pytorch_lightning.plugins import Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.optim import Optimizer

from encore.optim.step import bare_step
from encore.stopping import Stop

log = logging.getLogger("encore")

# Hooks that Lightning calls at every batch or step.
EVERY_BATCH = (
    "on_train_batch_start", "on_train_batch_end", "on_before_zero_grad", "on_before_backward", "on_after_backward",
    "on_before_optimizer_step", "on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer",
)  # fmt: skip
# What a task can have its own way of, and what is then left to Lightning.
OWN_WAY = ("backward", "optimizer_step", "optimizer_zero_grad", "configure_gradient_clipping")
# A call ends after so long, so that a bar moves, and a signal or a clock is heeded.
SECONDS = 0.5


class Execution(_AutomaticOptimization):
    """Lightning's optimisation, which goes on after a step with up to `steps_per_execution` - 1 more.

    The first step of a call is Lightning's own, with all its hooks; the further ones do the same to every bit, and
    count the same. Calls end where an epoch, a validation or the last step does. A callback with hooks for every
    batch may say by a method `looks_every(trainer)` that it has to be called once a call only (None), or also at the
    steps that are multiples of a number: `on_train_batch_start` and `on_before_optimizer_step` are, there. If any
    other callback or the task has such hooks, every call takes one step.

    Args:
        trainer: whose loop this becomes a part of.
        steps: optimiser steps in a call, at most.
        stop: what asks the run to stop: the call ends after the step under way.
        record: told of every batch's loss, its optimiser step and the learning rate there.
    """

    def __init__(
        self, trainer: pl.Trainer, steps: int, stop: Stop, record: Callable[[Tensor, int, float], None]
    ) -> None:
        super().__init__(trainer)
        self.steps, self.stop, self.record = steps, stop, record
        self.limit = 0  # known when the first step is taken
        # What a call has in hand.
        self.batch: Any = None
        self.batches: Any = None
        self.take_step: Any = None

    def prepare(self) -> None:
        """Find out what a call may hold; the trainer knows its task, its strategy and its precision now."""
        trainer = self.trainer
        reason = one_at_a_time(trainer) if self.steps > 1 else None
        if reason is not None:
            log.info("%s: one optimiser step a call", reason)
        self.limit = self.steps if reason is None else 1
        looks = [(part, part.looks_every(trainer)) for part in trainer.callbacks if hasattr(part, "looks_every")]  # type: ignore[attr-defined]
        self.looks = [(part, interval) for part, interval in looks if interval]
        self.by_step = any(schedule.interval == "step" for schedule in trainer.lr_scheduler_configs)
        # What every step needs is looked up once: Lightning's properties cost more than a small layer.
        self.task, self.precision = trainer.lightning_module, trainer.precision_plugin
        self.plain = type(self.precision).forward_context is Precision.forward_context
        # Torch's own call the closure first of all, LBFGS again and again; an optimiser from elsewhere may, too.
        kind = type(trainer.optimizers[0])
        self.calls_back = not kind.__module__.startswith("torch.optim.") or kind is torch.optim.LBFGS
        scaled = getattr(self.precision, "scaler", None) is not None
        self.by_lightning = scaled or overridden(self.task, OWN_WAY) is not None

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: "OrderedDict[str, Any]") -> dict[str, Any]:
        """Take Lightning's step, or add to the gradients of one, and then take further steps.

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
            for _ in range(self.room()):
                if self.stop.asked is not None or self.trainer.should_stop or time.monotonic() > until:
                    break
                self.step()
            self.batch = self.batches = self.take_step = None  # what they hold is for others
        return output

    def lightning_step(self, optimizer: Optimizer, index: int, kwargs: "OrderedDict[str, Any]") -> dict[str, Any]:
        """Lightning's way with a batch."""
        number, lr = self.optim_progress.optimizer_steps, float(optimizer.param_groups[0]["lr"])
        output: dict[str, Any] = super().run(optimizer, index, kwargs)
        if output:
            self.record(batch_loss(output), number, lr)
        return output

    def room(self) -> int:
        """How many whole steps there can be before something has to be done between two calls."""
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
        """Do what Lightning does between two batches, of which the next one begins a step or not, and get that."""
        trainer = self.trainer
        loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
        progress = loop.batch_progress
        progress.increment_processed()
        if self.by_step:
            loop.update_lr_schedulers("step", update_plateau_schedulers=False)
        progress.increment_completed()
        if begins:
            loop._batches_that_stepped += 1
        self.batch = None  # its memory is for the next one
        self.index, self.batch = progress.current.ready, next(self.batches)
        if not self.plain:
            self.batch = self.precision.convert_input(self.batch)
        assert fetcher is not None
        assert fetcher.length is not None
        fetcher.fetched += 1
        progress.is_last_batch = fetcher.done = fetcher.fetched >= fetcher.length
        progress.increment_ready()

    def own_step(self, number: int, turn: int, looking: list[pl.Callback]) -> None:
        """Do what Lightning does with a batch, without what it asks before every part of it.

        Args:
            number: of the optimiser step.
            turn: the batch's among those of the step.
            looking: callbacks that look at the step.
        """
        counts, optimizer = self.optim_progress.optimizer.step, self.optimizer
        lr = float(optimizer.param_groups[0]["lr"])
        closure = partial(self.closure, turn, looking)
        if turn < self.accumulated - 1:
            closure()
        else:
            counts.increment_ready()
            if self.calls_back:
                optimizer.step(torch.enable_grad()(closure))  # type: ignore[arg-type]
            else:
                closure()
                self.take_step()
            counts.increment_completed()
        if self.output:
            self.record(batch_loss(self.output), number, lr)

    def given(self) -> "OrderedDict[str, Any]":
        """What the task's `training_step` is given: the batch, and its index if it takes that."""
        return OrderedDict(zip(self.arguments, (self.batch, self.index), strict=False))

    def closure(self, turn: int, looking: list[pl.Callback]) -> Tensor | None:
        """Compute a batch's loss, and add its gradients to those of the batches before it in the step."""
        trainer, task, optimizer = self.trainer, self.task, self.optimizer
        if self.plain:
            output: Any = task.training_step(*self.given().values())
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
        if loss is not None:  # a task may pass a batch over
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


def batch_loss(output: dict[str, Any]) -> Tensor:
    """The loss of a batch by itself, of what a task returned for it."""
    loss: Tensor = output.get("batch_loss", output["loss"])
    return loss.detach()


def zero_grad(optimizer: Optimizer) -> None:
    """Forget the gradients of the step before; torch's own function takes ten times as long."""
    if type(optimizer).zero_grad is not Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def one_at_a_time(trainer: pl.Trainer) -> str | None:
    """Why every call has to take one step; None if it need not."""
    task = trainer.lightning_module
    if not isinstance(trainer.strategy, SingleDeviceStrategy):
        return "several devices agree after every step"
    if isinstance(trainer.fit_loop._data_fetcher, _DataLoaderIterDataFetcher):
        return f"{type(task).__name__}.training_step fetches its batches"
    if logs(task):
        return f"{type(task).__name__}.training_step logs"
    if any(schedule.interval == "step" and schedule.reduce_on_plateau for schedule in trainer.lr_scheduler_configs):
        return "a schedule follows a metric at every step"
    if not isinstance(trainer.profiler, PassThroughProfiler):  # type: ignore[attr-defined]
        return f"{type(trainer.profiler).__name__} looks at every step"  # type: ignore[attr-defined]
    for part in [*trainer.callbacks, task]:  # type: ignore[attr-defined]
        if not hasattr(part, "looks_every") and (hook := overridden(part, EVERY_BATCH)):
            return f"{type(part).__name__}.{hook} looks at every step"
    return None


def logs(task: pl.LightningModule) -> bool:
    """Whether a task logs within a step, as far as its code shows."""
    steps = [kind.__dict__["training_step"] for kind in type(task).__mro__ if "training_step" in kind.__dict__]
    names = {name for step in steps if step is not pl.LightningModule.training_step for name in step.__code__.co_names}
    return not names.isdisjoint(("log", "log_dict"))


def overridden(part: Any, names: tuple[str, ...]) -> str | None:
    """The first of some hooks that a callback or task has of its own."""
    base = pl.Callback if isinstance(part, pl.Callback) else pl.LightningModule
    for name in names:
        hook = getattr(part, name, None)
        if getattr(hook, "__func__", hook) is not getattr(base, name, None):
            return name
    return None
