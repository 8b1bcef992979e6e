"""Where the time of a fit goes: a table of its parts, and a trace of a few steps."""

import json
import logging
import math
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.profiler import ProfilerActivity

from encore.data.batch import Batch
from encore.files import write_text
from encore.runner.clock import Clock

log = logging.getLogger("encore")

WARM_UP, TRACED = 20, 20  # steps before the trace, and in it
TABLE, TRACE = "profile.txt", "trace.json"


@contextmanager
def profiling(trainer: pl.Trainer, task: pl.LightningModule, data: Any, folder: Path) -> Iterator[None]:
    """Measure where the time of a fit goes; leave profile.txt and trace.json in the run's folder.

    Everything is observed from outside and restored afterwards: the fit computes the same bits. Traced steps cost more,
    so they are not in the table.
    """
    profile = Profile(trainer)
    try:
        with profile.watching(task, data):
            yield
    finally:  # even if the fit was stopped
        profile.write(folder)


class Profile:
    """The measurements of one fit."""

    def __init__(self, trainer: pl.Trainer) -> None:
        device = trainer.strategy.root_device
        if device.type == "cpu":  # otherwise it reports on every terminal that it found no GPU
            os.environ.setdefault("KINETO_LOG_LEVEL", "99")
        self.trainer = trainer
        self.clock = Clock(wait=(lambda: None) if device.type == "cpu" else torch.accelerator.synchronize)
        self.activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        self.steps = self.steps_traced = self.first = 0
        self.window: range | None = None  # known when the first batch is fetched
        self.trace: torch.profiler.profile | None = None

    @contextmanager
    def watching(self, task: pl.LightningModule, data: Any) -> Iterator[None]:
        """Time the parts of the fit inside this context; patched methods are restored afterwards."""
        timed: list[tuple[Any, str, str]] = [
            (task, "training_step", "forward"),
            (torch.autograd, "backward", "backward"),  # Tensor.backward calls it
            (self.trainer.fit_loop.epoch_loop.val_loop, "run", "validation"),
        ]
        if self.trainer.gradient_clip_val:
            timed.append((task, "configure_gradient_clipping", "optimiser"))
        with ExitStack() as stack:
            for owner, name, part in timed:
                stack.enter_context(replaced(owner, name, self.timed(getattr(owner, name), part)))
            stack.enter_context(replaced(data, "train_dataloader", self.loader_of(data)))
            stack.callback(register_optimizer_step_pre_hook(self.before_step).remove)
            stack.callback(register_optimizer_step_post_hook(self.after_step).remove)
            yield

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Wrap a function so that its time counts for a part."""

        @wraps(function)
        def timed_function(*args: Any, **kwargs: Any) -> Any:
            if part == "validation":
                self.end_trace_if_due()
            self.clock.enter(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.clock.leave()

        return timed_function

    def loader_of(self, data: Any) -> Callable[[], Any]:
        """Wrap `train_dataloader` so that the loader measures the time per batch."""
        make = data.train_dataloader

        @wraps(make)
        def timed_loader() -> Any:
            loader = make()
            loader.epoch = self.timed_batches(loader.epoch)
            return loader

        return timed_loader

    def timed_batches(self, epoch: Callable[[], Generator[Batch]]) -> Callable[[], Generator[Batch]]:
        """The batches of an epoch; no step is in progress when one is requested, unless it accumulates."""

        def batches() -> Generator[Batch]:
            fetch = self.timed(epoch().__next__, "data")
            while True:
                self.end_trace_if_due()
                self.begin_trace_if_due()
                try:
                    batch = fetch()
                except StopIteration:
                    return
                yield batch

        return batches

    def before_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        """The optimiser's own work begins: with a closure, after that has computed loss and gradients."""
        rest = dict(zip(("closure",), args[1:], strict=False)) | kwargs
        if rest.get("closure") is None:
            self.clock.enter("optimiser")
            return None
        return args[:1], {**rest, "closure": self.around(rest["closure"])}

    def around(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """Wrap the closure, which runs in the middle of the optimiser's own work."""

        def closure_between() -> Any:
            if self.clock.within[-1] == "optimiser":  # some call it more than once
                self.clock.leave()
            loss = closure()
            self.clock.enter("optimiser")
            return loss

        return closure_between

    def after_step(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        """The optimiser's own work is done."""
        if self.clock.within[-1] == "optimiser":
            self.clock.leave()
        self.steps += 1
        self.steps_traced += self.clock.tracing

    def begin_trace_if_due(self) -> None:
        """Start the trace at its first step."""
        if self.window is None:
            self.first, self.window = self.trainer.global_step, window(steps_to_come(self.trainer))
            self.clock.begin()
        if self.trace is None and self.steps in self.window:
            self.clock.trace(True)
            self.trace = torch.profiler.profile(activities=self.activities, acc_events=True)
            self.trace.start()

    def end_trace_if_due(self, over: bool = False) -> None:
        """End the trace after its last step, or at the end of the fit."""
        if self.trace is not None and self.clock.tracing and (over or self.steps not in (self.window or ())):
            self.clock.wait()
            self.trace.stop()
            self.clock.trace(False)

    def write(self, folder: Path) -> None:
        """Print the table and write it into the run's folder; a full disk does not end the run."""
        self.end_trace_if_due(over=True)
        self.clock.count()
        text = "\n".join([table(self.clock.seconds, self.steps - self.steps_traced), *self.notes()])
        log.info("\n%s", text)
        try:
            write_text(folder / TABLE, text + "\n")
            if self.trace is not None:
                write_trace(self.trace, folder / TRACE)
        except (OSError, ValueError) as problem:
            log.warning("the profile cannot be written: %s", problem)

    def notes(self) -> Iterator[str]:
        """What a reader of the table has to know."""
        yield "framework: Lightning's loops, callbacks, logs, checkpoints, and all else in the fit"
        if self.trainer.strategy.root_device.type != "cpu":
            yield "each part waits for the device, unlike a run without the profile: overlapping work is counted twice"
        yield f"not in the table: {self.clock.seconds_before:.3f} s before the first batch"
        if self.trace is not None:
            begin = self.first + (self.window or range(0)).start
            yield (
                f"not in the table: {self.steps_traced} steps from step {begin} on, {self.clock.seconds_traced:.3f} s, "
                f"which are in {TRACE}; open that in ui.perfetto.dev or chrome://tracing"
            )


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute for a while; an attribute that the object's class provides is deleted from it afterwards."""
    own, before = name in vars(owner), getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)


def window(steps: int) -> range:
    """Which of this many steps to trace: not the first, which warm up, and only some of a few."""
    first = min(WARM_UP, steps // 2)
    return range(first, first + min(TRACED, (steps - first + 1) // 2)) if first else range(0)


def steps_to_come(trainer: pl.Trainer) -> int:
    """At most how many optimiser steps a fit that is about to start will take."""
    steps = (trainer.max_epochs or 1) * math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
    return (steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)) - trainer.global_step


def write_trace(trace: torch.profiler.profile, file: Path) -> None:
    """Write a trace atomically in Chrome's format, without the names of the machine and its folders."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.all")
    try:
        trace.export_chrome_trace(str(beside))
        content = json.loads(beside.read_text(encoding="utf-8"))
    finally:
        beside.unlink(missing_ok=True)
    write_text(file, json.dumps({key: content[key] for key in content if key not in ("host_name", "traceName")}))


def table(seconds: dict[str, float], steps: int) -> str:
    """A row per part and one for the total: seconds, percent, and microseconds per optimiser step."""
    whole = sum(seconds.values())
    rows = [f"{f'{steps:,} steps':14}{'seconds':>10}{'share':>10}{'a step':>14}"]
    for part, spent in (*seconds.items(), ("fit", whole)):
        each = f"{spent / steps * 1e6:,.1f} µs" if steps else "-"
        rows.append(f"{part:14}{spent:10.3f}{spent / whole:10.1%}{each:>14}")
    return "\n".join(rows)
