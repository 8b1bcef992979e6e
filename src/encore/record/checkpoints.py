"""Checkpoints: the last state, to go on from, and the best weights, to test and to use."""

import hashlib
import io
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import CheckpointIO
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from encore.errors import InputError
from encore.record.files import replace


class WholeFiles(CheckpointIO):
    """Checkpoint files that are whole or not there, and hold tensors and plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write in one step."""
        save(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        """Read tensors and plain values; nothing in the file is ever executed."""
        return load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a file."""
        Path(path).unlink(missing_ok=True)


def save(content: dict[str, Any], path: Path) -> None:
    """Write a checkpoint in one step.

    Raises:
        OSError: it cannot be written. torch's own writing to a full disk raises a RuntimeError that says nothing.
    """
    packed = io.BytesIO()
    torch.save(content, packed)
    replace(path, lambda stream: stream.write(packed.getbuffer()))


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        InputError: it is not there, truncated, or holds more than tensors and plain values.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as problem:
        raise InputError(f"there is no checkpoint {path}") from problem
    except Exception as problem:  # torch raises whatever a broken archive happens to lead to
        raise InputError(f"{path} is no checkpoint that can be read: {str(problem).splitlines()[0]}") from problem


class Checkpoints(Checkpoint):
    """Keep `last.ckpt` and `best.ckpt` in the run's folder, as of whole epochs.

    An epoch is whole when its validation, schedules and logs are done: at the start of the next one, or at the
    end of training. Saving earlier would leave them out.

    Args:
        monitor: metric that the best weights are chosen by; the first of equals is kept. Where there is no such
            metric, for want of a validation set, the last weights are the best.
        mode: `min` or `max`.
        min_seconds_between: between two writings to disk; until then the best weights are kept in memory.
    """

    def __init__(self, monitor: str, mode: str, min_seconds_between: float = 5.0) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be min or max, not {mode!r}")
        self.monitor, self.mode, self.min_seconds_between = monitor, mode, min_seconds_between
        self.best: dict[str, Any] = {}
        self.best_weights: dict[str, Tensor] | None = None
        self.folder = Path()
        self.saved = time.monotonic()
        self.whole = 0

    def setup(self, trainer: pl.Trainer, task: pl.LightningModule, stage: str) -> None:
        """Find the folder."""
        self.folder = Path(trainer.default_root_dir) / "checkpoints"
        self.trainer = trainer

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Epochs that came with a checkpoint need not be saved again."""
        self.whole = trainer.fit_loop.epoch_progress.current.completed

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Save the epoch before, if enough time has passed."""
        if trainer.current_epoch > self.whole:
            self.whole = trainer.current_epoch
            self.choose(trainer, task)
            if trainer.strategy.broadcast(time.monotonic() - self.saved >= self.min_seconds_between):
                self.save(trainer, task)

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Save the last epoch."""
        if trainer.fit_loop.epoch_progress.current.completed > self.whole:
            self.choose(trainer, task)
        self.save(trainer, task)

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        """Nothing is saved in the middle of an epoch, but a run that has no file yet keeps its best weights.

        Beside an older last.ckpt they would not be the best that it knows, and the run could not go on from it.
        """
        full = isinstance(exception, OSError)  # the disk, perhaps
        if trainer.is_global_zero and not full and not (self.folder / "last.ckpt").is_file():
            self.save_best(task)

    def choose(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Keep the weights if they are the best yet."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is not None and self.best and not self.better(float(value), self.best["value"]):
            return
        self.best = {
            "epoch": trainer.fit_loop.epoch_progress.current.completed - 1,
            "step": trainer.global_step - 1,
            "monitor": self.monitor if value is not None else None,
            "value": float(value) if value is not None else None,
        }
        self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in task.state_dict().items()}

    def better(self, value: float, best: float | None) -> bool:
        """Whether a value is strictly better."""
        if best is None:
            return True
        return value < best if self.mode == "min" else value > best

    def save(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Write both files."""
        trainer.save_checkpoint(self.folder / "last.ckpt")
        if trainer.is_global_zero:
            self.save_best(task)
        self.saved = time.monotonic()

    def save_best(self, task: pl.LightningModule) -> None:
        """Write the best weights, if they are not on disk yet."""
        if self.best_weights is None or not self.folder.is_dir():
            return
        content = {
            "state_dict": self.best_weights,
            "best": self.best,
            "epoch": self.best["epoch"],
            "global_step": self.best["step"] + 1,
            "hyper_parameters": dict(task.hparams),
            "pytorch-lightning_version": pl.__version__,
        }
        save(content, self.folder / "best.ckpt")
        self.best_weights = None

    def on_save_checkpoint(self, trainer: pl.Trainer, task: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Say that the epoch about to begin has not begun, so that Lightning resumes between two epochs.

        It counts an epoch as ready before its first hook, and would take the one before for the one to finish.
        """
        progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]
        for counts in (progress["current"], progress["total"]):
            counts["ready"] = counts["completed"]

    def state_dict(self) -> dict[str, Any]:
        """The choice so far, and where the logs stand."""
        logs = {type(log).__name__: log.position() for log in self.trainer.loggers if hasattr(log, "position")}
        return {"best": self.best, "logs": logs if self.trainer.is_global_zero else {}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue a choice; the weights are in best.ckpt."""
        self.best = state_dict["best"]


def digest(weights: dict[str, Tensor]) -> str:
    """SHA-256 of named tensors: their names, types, shapes and bytes."""
    sha256 = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        value = tensor.detach().cpu().contiguous()
        sha256.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        sha256.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha256.hexdigest()
