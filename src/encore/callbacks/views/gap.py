"""Over- and underfitting: the generalisation gap, and the epoch where early stopping would have stopped."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from encore.callbacks.checkpoints import Checkpoints
from encore.callbacks.values import log_step
from encore.callbacks.views.view import last_step


class Gap(Checkpoint):
    """Log `gap/NAME`, validation less training, for the loss and every metric that both have, once an epoch.

    `gap/would_stop` has a single point: where early stopping would have stopped, with the monitored value there.

    It saves nothing. It is a `Checkpoint` because Lightning calls only these once a task has logged its epoch.

    Args:
        patience: epochs in a row without a better value of the metric that chooses the best weights, after which early
            stopping would stop.
    """

    def __init__(self, patience: int = 5) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1, not {patience}")
        self.patience = patience
        self.would_stop: int | None = None

    def looks_every(self, trainer: pl.Trainer) -> int | None:
        return None

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Validation and the task's own report of the epoch are over."""
        every = trainer.check_val_every_n_epoch
        if every is not None and (trainer.current_epoch + 1) % every:
            return  # the validation is that of an earlier epoch
        logged = {name: float(value) for name, value in trainer.callback_metrics.items() if value.numel() == 1}
        if values := self.values(trainer, logged):
            log_step(trainer, values, last_step(trainer))

    def values(self, trainer: pl.Trainer, logged: dict[str, float]) -> dict[str, float]:
        """What there is to log of an epoch with these metrics."""
        pairs = {name: f"train/{name.removeprefix('val/')}" for name in logged if name.startswith("val/")}
        values = {
            f"gap/{name.removeprefix('val/')}": logged[name] - logged[other]
            for name, other in pairs.items()
            if other in logged
        }
        return values | self.stop(trainer, logged)

    def stop(self, trainer: pl.Trainer, logged: dict[str, float]) -> dict[str, float]:
        """The point of the epoch that early stopping would have ended with; only of the first one."""
        saver = next((part for part in trainer.callbacks if isinstance(part, Checkpoints)), None)  # type: ignore[attr-defined]
        if self.would_stop is not None or saver is None or not saver.best or saver.monitor not in logged:
            return {}
        value, best = logged[saver.monitor], saver.best  # of the epochs before
        if saver.better(value, best["value"]) or trainer.current_epoch - best["epoch"] < self.patience:
            return {}
        self.would_stop = trainer.current_epoch
        return {"gap/would_stop": value}

    def state_dict(self) -> dict[str, Any]:
        return {} if self.would_stop is None else {"would_stop": self.would_stop}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.would_stop = state_dict["would_stop"]
