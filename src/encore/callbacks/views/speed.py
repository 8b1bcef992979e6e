"""How fast a run is, and how much memory it takes."""

import importlib.util
import sys
import time
from contextlib import suppress
from typing import Any

import pytorch_lightning as pl
import torch

from encore.callbacks.views.view import View, last_step, show, viewers

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MEGA = 2**20


class Speed(View):
    """Show once an epoch how many examples were trained on in a second, and the peak memory so far, in MiB.

    These are no results, so metrics.csv does not have them. On an NVIDIA GPU its memory is shown, too, and how busy it
    is where the package nvidia-ml-py is installed.
    """

    began: tuple[float, int] | None = None  # when, and after how many of the epoch's batches

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        if self.began is None:
            self.began = time.perf_counter(), index

    def on_validation_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Validation does not count."""
        if trainer.state.fn == "fit":
            self.report(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.report(trainer)

    def report(self, trainer: pl.Trainer) -> None:
        if self.began is None:
            return
        (since, first), self.began = self.began, None
        if not viewers(trainer, "show_scalars"):
            return
        device = trainer.strategy.root_device
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        batches = trainer.fit_loop.epoch_loop.batch_progress.current.ready - first
        size = getattr(getattr(trainer, "datamodule", None), "batch_size", None)
        rate = batches / max(time.perf_counter() - since, 1e-9)
        if isinstance(size, int):
            values = {"speed/examples_per_second": rate * size}
        else:
            values = {"speed/batches_per_second": rate}
        show(trainer, "show_scalars", values | memory(device), last_step(trainer))


def memory(device: torch.device) -> dict[str, float]:
    """Peak memory so far in MiB, of the process and of its GPU, and how much of the time that is busy, in percent."""
    values = {}
    if resource is not None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        values["speed/memory_mib"] = peak / (MEGA if sys.platform == "darwin" else 1024)
    if device.type == "cuda":
        values["speed/gpu_memory_mib"] = torch.cuda.max_memory_allocated(device) / MEGA
        if importlib.util.find_spec("pynvml") is not None:
            with suppress(Exception):  # the driver does not say it of every GPU, such as of a part of one
                values["speed/gpu_busy_percent"] = float(torch.cuda.utilization(device))
    return values
