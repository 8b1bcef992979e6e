"""How large a batch can be: a few steps at one size after another, until one does not fit."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.memory import garbage_collection_cuda, is_oom_error

from encore.config.traits import of_callbacks
from encore.errors import ConfigError
from encore.runner.parts import assemble, build_data
from encore.runner.quiet import quiet
from encore.runner.training import fit
from encore.stopping import Stop


@dataclass(frozen=True)
class Tried:
    """What a batch size costs: training examples a second, and the GPU's peak memory in bytes, 0 without one."""

    size: int
    examples: float
    memory: int


def tried(cfg: dict, first: int, most: int, steps: int) -> Iterator[Tried]:
    """Try sizes from the first, each twice the one before, while they fit and there are examples for them.

    Args:
        cfg: a checked config.
        first: size to begin with.
        most: the largest one.
        steps: at each size.

    Raises:
        ConfigError: not even the first fits, or the data have no batch size to choose.
    """
    size, most = first, min(most, build_data({**cfg, "data": {**cfg["data"], "batch_size": 1}}).sizes["train"])
    if most < first:
        raise ConfigError(f"--first {first} is more than the {most} training examples")
    while size <= most:
        try:
            found = of_size(cfg, size, steps)
        except Exception as problem:
            if not (is_oom_error(problem) or (problem.__cause__ is not None and is_oom_error(problem.__cause__))):
                raise
            found = None
        garbage_collection_cuda()
        if found is None:
            if size == first:
                raise ConfigError(f"a batch of {first} does not fit into memory: a smaller model, or --first 1")
            return
        yield found
        size *= 2


def of_size(cfg: dict, size: int, steps: int) -> Tried:
    """Take a few steps of a run with batches of a size; nothing is kept of it."""
    of_steps = {**of_callbacks(cfg, "averages_weights"), **of_callbacks(cfg, "changes_steps")}
    kept = {name: cfg["callbacks"][name] for name in of_steps}
    alone = {
        **cfg, "logger": {}, "callbacks": kept, "data": {**cfg["data"], "batch_size": size},
        "trainer": {**cfg["trainer"], "devices": 1, "strategy": "auto", "max_steps": steps, "max_epochs": steps,
                    "limit_val_batches": 0},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch, quiet():
        parts = assemble(alone, Path(scratch), Stop(), chooses=False)
        watch = Watch()
        parts.trainer.callbacks.append(watch)  # type: ignore[attr-defined]
        device = parts.trainer.strategy.root_device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        fit(alone, parts, None)
        memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Tried(size, steps * size / watch.seconds, memory)


class Watch(pl.Callback):
    """How long training takes, without what comes before it."""

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.began = time.perf_counter()

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        device: Any = trainer.strategy.root_device
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        self.seconds = time.perf_counter() - self.began
