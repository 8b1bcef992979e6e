"""Parts as a user would write them for plain Lightning, without knowing Encore."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn


class Lines(Logger):
    """A logger that writes a line per call; it can be told to kill the process at one, or to fail."""

    def __init__(
        self,
        file: str,
        die_at: int | None = None,
        fail_at: int | None = None,
        pause: float = 0.0,
        by: int = signal.SIGKILL,
    ) -> None:
        super().__init__()
        self.pause, self.by = pause, by
        self.file, self.die_at, self.fail_at, self.calls = Path(file), die_at, fail_at, 0

    name = "lines"
    version = "0"

    def write(self, **line: Any) -> None:
        with self.file.open("a") as stream:
            stream.write(json.dumps(line, default=str) + "\n")

    def log_hyperparams(self, params: dict) -> None:
        self.write(params=params)

    def log_metrics(self, metrics: dict, step: int | None = None) -> None:
        self.calls += 1
        if self.calls == self.fail_at:
            raise ConnectionError("the network is gone")
        self.write(metrics={name: float(value) for name, value in metrics.items()}, step=step)
        if self.calls == self.die_at:
            time.sleep(self.pause)
            os.kill(os.getpid(), self.by)

    def identify(self, run: Any) -> None:
        self.write(key=run.key, fingerprint=run.fingerprint)

    def finalize(self, status: str) -> None:
        self.write(status=status)

    def close(self) -> None:
        self.write(closed=True)


class Unreachable(Lines):
    """A logger whose service is unavailable, or lacks a package."""

    def __init__(self, file: str, lacks: str | None = None) -> None:
        super().__init__(file)
        self.lacks = lacks

    def log_hyperparams(self, params: dict) -> None:
        if self.lacks:
            raise ModuleNotFoundError(f"No module named {self.lacks!r}", name=self.lacks)
        raise ConnectionError("no such host")


class TwoParts(nn.Module):
    """A net with a backbone to be frozen."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU())
        self.head = nn.Linear(16, num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.backbone(inputs))


class Decay(pl.Callback):
    """A callback whose state affects the result: each step's learning rate is a little lower."""

    def __init__(self) -> None:
        self.steps = 0

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self.steps += 1
        trainer.optimizers[0].param_groups[0]["lr"] = 0.01 / self.steps

    def state_dict(self) -> dict[str, int]:
        return {"steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.steps = state_dict["steps"]


def tell(file: str, trainer: pl.Trainer, *_: Any) -> None:
    """A hook for a LambdaCallback."""
    with Path(file).open("a") as stream:
        stream.write(f"{trainer.current_epoch}\n")
