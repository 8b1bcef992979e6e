"""One run of a population: what Lightning knows of it, and what it leaves."""

import time
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor
from torch.optim import Optimizer

from encore.callbacks.checkpoints import Checkpoints, copied
from encore.callbacks.losses import Losses
from encore.callbacks.position import Position
from encore.callbacks.seeds import Seeds
from encore.callbacks.views.augmentation import Augmentation
from encore.callbacks.views.gap import Gap
from encore.callbacks.views.histograms import Histograms, chosen
from encore.callbacks.views.updates import Updates
from encore.data.loaders import Order
from encore.errors import EncoreError
from encore.population.slab import Slab
from encore.tasks.supervised import Supervised

ROWS, SECONDS = 256, 1.0  # of logged values that wait for the loggers, and how long


class Member:
    """A run that is inside its own fit, and that a population trains.

    Args:
        trainer: its trainer, just before the first epoch.
        task: what it trains.

    Attributes:
        row: of the population's tensors.
        epoch: epochs that are complete.
        steps: optimiser steps taken.
        problem: what ended it.
    """

    def __init__(self, trainer: pl.Trainer, task: Supervised) -> None:
        self.trainer, self.task = trainer, task
        self.data: Any = trainer.datamodule  # type: ignore[attr-defined]
        self.optimizer: Optimizer = trainer.optimizers[0]
        self.loop = trainer.fit_loop
        self.loader: Any = self.loop._combined_loader.flattened[0]  # type: ignore[union-attr]
        self.batches_per_epoch = int(trainer.num_training_batches)
        self.losses, self.position = self.part(Losses), self.part(Position)
        self.checkpoints: Checkpoints | None = self.part(Checkpoints)
        self.early_stopping: list[EarlyStopping] = self.parts(EarlyStopping)
        self.gap, self.updates = self.part(Gap), self.part(Updates)
        self.lookers: list[Any] = [*self.parts(Histograms), *self.parts(Augmentation)]
        self.metrics = trainer.callback_metrics
        self.row, self.seed = -1, self.part(Seeds).seed
        self.epoch, self.steps = trainer.current_epoch, trainer.global_step
        self.problem: BaseException | None = None
        self.active = True
        self.chosen: list[Tensor] = []
        self.batches: Iterator[Any] = iter(())
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.flushed = time.monotonic()
        histograms = self.part(Histograms)
        self.looks_at = set() if histograms is None else chosen(trainer)

    def parts(self, kind: type) -> list[Any]:
        return [each for each in self.trainer.callbacks if isinstance(each, kind)]  # type: ignore[attr-defined]

    def part(self, kind: type) -> Any:
        return next(iter(self.parts(kind)), None)

    def named(self, name: str) -> Any:
        """The callback of a class with this dotted name; None if there is none."""
        kinds = ((each, type(each)) for each in self.trainer.callbacks)  # type: ignore[attr-defined]
        return next((each for each, kind in kinds if f"{kind.__module__}.{kind.__name__}" == name), None)

    @property
    def order(self) -> Order:
        """Of the training examples."""
        found: Order = self.loader.order
        return found

    def begin_epoch(self) -> None:
        """Stand at the first batch of an epoch."""
        self.loop.epoch_loop.batch_progress.current.reset()
        self.batches = iter(self.loader)

    @property
    def lr(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def log(self, values: dict[str, float], step: int) -> None:
        """Log values at a step; they wait until there are many, or for a moment."""
        if self.rows and self.rows[-1][0] == step:
            self.rows[-1][1].update(values)
        elif values:
            if len(self.rows) >= ROWS or time.monotonic() - self.flushed > SECONDS:
                self.flush()
            self.rows.append((step, {**values, "epoch": self.epoch}))

    def flush(self) -> None:
        """Let the loggers have what is waiting."""
        for logger in self.trainer.loggers:
            if hasattr(logger, "log_all"):
                logger.log_all(self.rows)
            else:
                for step, values in self.rows:
                    logger.log_metrics(values, step=step)
        self.rows, self.flushed = [], time.monotonic()

    def schedule(self, interval: str, index: int, plateau: bool) -> None:
        """Let the schedules of an interval step that are due.

        Args:
            interval: `step` or `epoch`.
            index: of the batch in its epoch, or of the epoch.
            plateau: those that follow a metric, or the others.
        """
        for config in self.trainer.lr_scheduler_configs:
            due = config.interval == interval and (index + 1) % config.frequency == 0
            if due and config.reduce_on_plateau == plateau:
                value = self.metrics.get(str(config.monitor)) if plateau else None
                if value is not None or not plateau:
                    self.task.lr_scheduler_step(config.scheduler, value)

    def end_epoch(self, values: dict[str, Any]) -> None:
        """Finish an epoch with its means: stop early, step schedules, log and count."""
        last, numbers = self.steps - 1, {name: float(value) for name, value in values.items()}
        self.count_steps()
        self.log({name: value for name, value in numbers.items() if name.startswith("val/")}, last)
        if self.gap is not None and "val/loss" in numbers:
            self.log(self.gap.values(self.trainer, numbers), last)
        self.log({name: value for name, value in numbers.items() if not name.startswith("val/")}, last)
        for each in self.early_stopping:
            each.on_validation_end(self.trainer, self.task)
            each.on_train_epoch_end(self.trainer, self.task)
        self.schedule("epoch", self.epoch, plateau=True)
        self.epoch += 1
        count(self.loop.epoch_progress, self.epoch, self.epoch)

    def count_steps(self) -> None:
        """Set Lightning's counts of batches and steps to those at the end of an epoch."""
        loop = self.loop.epoch_loop
        optim = loop.automatic_optimization.optim_progress.optimizer
        for progress in (loop.batch_progress, optim.step, optim.zero_grad):
            count(progress, self.batches_per_epoch, self.steps)
        loop.batch_progress.is_last_batch = True
        loop._batches_that_stepped = self.steps

    def pull(self, slabs: list[Slab]) -> None:
        """Give the task the weights that it has by now."""
        for slab, group in zip(slabs, self.optimizer.param_groups, strict=True):
            slab.give(slab.weights[self.row], group)

    def choose(self, slabs: list[Slab]) -> None:
        """Keep the weights if they are the best so far, until they are given back.

        Without validation the last count as the best, and are chosen where they are saved.
        """
        saver = self.checkpoints
        if saver is None or (value := self.metrics.get(saver.monitor)) is None:
            return
        saver.whole = self.epoch
        if not saver.best or saver.better(float(value), saver.best["value"]):
            saver.note(self.trainer, value)
            self.chosen = [slab.weights[self.row].clone() for slab in slabs]

    def give_back(self, slabs: list[Slab]) -> None:
        """Give the task and its optimiser all that they have by now, and the best weights to what saves them."""
        if self.checkpoints is not None and self.chosen:
            for slab, weights, group in zip(slabs, self.chosen, self.optimizer.param_groups, strict=True):
                slab.give(weights, group)
            self.checkpoints.best_weights, self.chosen = copied(self.trainer), []
        self.pull(slabs)
        for slab, group in zip(slabs, self.optimizer.param_groups, strict=True):
            slab.give_state(self.row, self.optimizer, group, self.steps)

    def save(self, slabs: list[Slab]) -> None:
        """Write a checkpoint."""
        if self.checkpoints is None:
            return
        self.flush()
        self.give_back(slabs)
        if self.epoch > self.checkpoints.whole:
            self.checkpoints.whole = self.epoch
            self.checkpoints.choose(self.trainer, self.task)
        self.checkpoints.save(self.trainer, self.task)

    def end(self, problem: EncoreError | None = None) -> None:
        """Train no further."""
        self.flush()
        self.active, self.problem = False, problem

    def look(self, batch: Any, slabs: list[Slab]) -> bool:
        """Let what looks at the first step of an epoch begin; returns whether there is anything to see."""
        if self.steps and self.epoch not in self.looks_at:
            return False
        self.flush()
        self.pull(slabs)
        for each in self.lookers:
            each.on_train_batch_start(self.trainer, self.task, batch, 0)
        return any(getattr(each, "armed", False) or getattr(each, "watch", None) is not None for each in self.lookers)

    def looked(self, batch: Any, augmented: Tensor, slabs: list[Slab]) -> None:
        """Show what was looked at; the gradients are complete."""
        with torch.no_grad():
            self.task(augmented)
        for slab, group in zip(slabs, self.optimizer.param_groups, strict=True):
            for parameter, gradient in zip(group["params"], slab.gradient(self.row), strict=True):
                parameter.grad = gradient
        for each in self.lookers:
            each.on_before_optimizer_step(self.trainer, self.task, self.optimizer)
            each.on_train_batch_end(self.trainer, self.task, {}, batch, 0)
        self.optimizer.zero_grad()


def count(progress: Any, here: int, total: int) -> None:
    """Set what Lightning has counted, in this epoch and in all."""
    for part, number in ((progress.current, here), (progress.total, total)):
        for name in vars(part):
            setattr(part, name, number)
