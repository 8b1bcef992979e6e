"""The callback that prunes a run."""

from pathlib import Path
from typing import Any

import optuna
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from encore.build import build
from encore.errors import Pruned
from encore.record.files import write_json
from encore.sweep.proposals import direction
from encore.sweep.pruning import VALUES, values


class Judge(Checkpoint):
    """Ends a run when an Optuna pruner says so, at an epoch's end.

    The decision is a function of the run's own values and of the trials given: the same whenever it is made. (A
    Checkpoint by class, so that it comes after all that is logged and saved at an epoch's end.)

    Args:
        metric: the monitored one.
        mode: `min` or `max`.
        pruner: recipe of an Optuna pruner that judges by the values of finished and pruned trials.
        trials: these values, by epoch, one dict a trial.
    """

    def __init__(self, metric: str, mode: str, pruner: dict[str, Any], trials: list[dict[str, float]]) -> None:
        self.metric = metric
        judge = build(pruner, what="hydra.sweeper.pruner")
        study = optuna.create_study(direction=direction(mode), pruner=judge)
        for held in trials:
            steps = {int(epoch): float(value) for epoch, value in held.items()}
            study.add_trial(optuna.trial.create_trial(value=steps[max(steps)], intermediate_values=steps))
        self.trial = study.ask()
        self.values: dict[str, float] = {}

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Judge what an attempt before had reached, up to where this one goes on."""
        known = values(Path(trainer.default_root_dir))
        for epoch in range(1, trainer.current_epoch + 1):
            if str(epoch) in known:
                self.judge(epoch, float(known[str(epoch)]), trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Judge the epoch."""
        if self.metric in trainer.callback_metrics:
            self.judge(trainer.current_epoch + 1, float(trainer.callback_metrics[self.metric]), trainer)

    def judge(self, epoch: int, value: float, trainer: pl.Trainer) -> None:
        """Keep an epoch's value, and end the run if it is too far behind.

        Raises:
            Pruned: it is.
        """
        self.values[str(epoch)] = value
        if trainer.is_global_zero:
            write_json(Path(trainer.default_root_dir) / VALUES, self.values)
        self.trial.report(value, epoch)
        last = epoch == trainer.max_epochs  # there is nothing to spare any more
        if self.trial.should_prune() and not last:
            raise Pruned(f"pruned after epoch {epoch}: {self.metric} {value:.4g}; the run alone would go on")
