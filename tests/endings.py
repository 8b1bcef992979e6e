"""What two runs must have in common at their end, and settings that cover the parts of a run."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from encore.callbacks.losses import Losses
from encore.files import digest
from encore.record.checkpoint_files import load
from encore.record.result import Result


def ending(folder: Path) -> dict:
    """Everything that must be identical."""
    result = Result.read(folder)
    last, best = (load(folder / "checkpoints" / name) for name in ("last.ckpt", "best.ckpt"))
    kept = ("metrics", "monitored", "best", "weights_sha256", "losses_sha256", "epochs", "steps", "stopped_early")
    return {
        **{name: getattr(result, name) for name in kept},
        "metrics.csv": (folder / "metrics.csv").read_text(),
        "losses": (folder / "losses.f32").read_bytes(),
        "scalars": scalars(folder),
        "optimizer": flat(last["optimizer_states"]),
        "schedule": flat(last["lr_schedulers"]),
        "last": flat(last["state_dict"]),
        "best weights": flat(best["state_dict"]),
    }


def flat(value: Any) -> Any:
    """Nested values with their tensors as bytes, for comparison."""
    if isinstance(value, dict):
        return {key: flat(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [flat(item) for item in value]
    return digest({"": value}) if isinstance(value, torch.Tensor) else value


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    held = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    tags = (tag for tag in held.Tags()["scalars"] if not tag.startswith("speed/"))  # they differ each time
    return {tag: [(point.step, point.value) for point in held.Scalars(tag)] for tag in tags}


def assert_same(folder: Path, reference: Path) -> None:
    found, expected = ending(folder), ending(reference)
    assert [name for name in expected if found[name] != expected[name]] == []


SMALL = {"data.fraction": 0.2, "trainer.max_epochs": 3, "trainer.log_every_n_steps": 2}  # 4 steps an epoch
EVERYTHING = {
    "plain": {},
    "batch norm, dropout, noise": {"model.norm": "batch", "model.dropout": 0.3, "augment": ["noise", "mixup"]},
    "pictures": {"model": "cnn", "augment": ["flip_crop_small", "random_erasing", "cutmix"], "optim": "nesterov"},
    "weight noise": {"task.weight_noise": 0.01, "task.label_smoothing": 0.1, "optim": "adagrad"},
    "accumulation": {"trainer.accumulate_grad_batches": 3, "data.batch_size": 16, "optim": "adadelta"},
    "steps": {"scheduler": "one_cycle", "optim": "momentum", "trainer.gradient_clip_val": 0.5},
    "epochs": {"scheduler": "cosine", "scheduler.interval": "epoch", "optim": "rmsprop"},
    "plateau": {"scheduler": "plateau", "scheduler.patience": 0, "+scheduler.threshold": 1.0, "optim": "sgd"},
    "early stopping": {
        "callbacks": "early_stopping",
        "callbacks.early_stopping.patience": 1,
        "callbacks.early_stopping.min_delta": 9.0,
    },
    "bf16": {"trainer.precision": "bf16-mixed"},
    "double": {"trainer.precision": "64-true", "optim": "adamw"},
    "workers": {"data.resident": False, "data.num_workers": 1},
    "max_steps": {"trainer.max_steps": 9},
    "no validation": {"data.val_fraction": 0.0},
    "fold and bootstrap": {"data.folds": 5, "data.fold": 2, "data.bootstrap": 1},
    "validation twice an epoch": {"+trainer.val_check_interval": 0.5},
    "validation every other epoch": {"+trainer.check_val_every_n_epoch": 2},
    "residual": {"model": "wide_resnet", "model.depth": 10, "model.widen_factor": 1, "trainer.max_epochs": 2},
}


@contextmanager
def asked_to_stop(monkeypatch: pytest.MonkeyPatch, *batches: int) -> Iterator[None]:
    """Runs inside this context get SIGTERM after this many batches, each time."""
    plain = Losses.add

    def stop(self: Losses, *args: Any) -> None:
        plain(self, *args)
        if self.written + len(self.unseen) in batches:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Losses, "add", stop)
        yield
