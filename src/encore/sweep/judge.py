"""The callback that prunes a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from encore.config.build import build
from encore.errors import Pruned
from encore.files import write_json
from encore.sweep.proposals import direction
from encore.sweep.pruning import VALUES, values


class Judgement:
    """An Optuna pruner's decisions about one trial, epoch by epoch.

    Args:
        mode: `min` or `max`.
        pruner: recipe of an Optuna pruner that judges by the values of finished trials.
        trials: their values by epoch, counted from 1, one dict per trial.
    """

    def __init__(self, mode: str, pruner: dict[str, Any], trials: Sequence[Mapping[str, float]]) -> None:
        study = optuna.create_study(direction=direction(mode), pruner=build(pruner, what="hydra.sweeper.pruner"))
        for held in trials:
            steps = {int(epoch): float(value) for epoch, value in held.items()}
            study.add_trial(optuna.trial.create_trial(value=steps[max(steps)], intermediate_values=steps))
        self.trial = study.ask()

    def hopeless(self, epoch: int, value: float) -> bool:
        """Whether to end the trial after an epoch; call it for each epoch in turn."""
        self.trial.report(value, epoch)
        return self.trial.should_prune()

    def pruned(self, found: Mapping[str, float]) -> int | None:
        """The epoch after which a trial with these values would have been pruned; None if never before its last."""
        epochs = sorted(map(int, found))
        return next((epoch for epoch in epochs[:-1] if self.hopeless(epoch, float(found[str(epoch)]))), None)


class Judge(Checkpoint):
    """Ends a run at the end of an epoch if a pruner says so.

    The decision depends only on the run's own values and the given trials. (It is a Checkpoint subclass so that it runs
    after everything that is logged and saved at the end of an epoch.)

    Args:
        metric: the monitored one.
        mode: `min` or `max`.
        pruner: see `Judgement`.
        trials: see `Judgement`.
    """

    def __init__(self, metric: str, mode: str, pruner: dict[str, Any], trials: list[dict[str, float]]) -> None:
        self.metric, self.judgement = metric, Judgement(mode, pruner, trials)
        self.values: dict[str, float] = {}
        self.validated = False

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Judge the epochs that earlier attempts completed, up to where this one resumes."""
        known = values(Path(trainer.default_root_dir), self.metric)
        self.values = {epoch: value for epoch, value in known.items() if int(epoch) <= trainer.current_epoch}
        for epoch in sorted(map(int, self.values)):
            self.judge(epoch, trainer)

    def on_validation_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Note that a new value is available."""
        self.validated = True

    def on_train_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Judge the epoch if it produced a new value."""
        if self.validated or not self.metric.startswith("val/"):
            epoch = trainer.current_epoch + 1
            self.values[str(epoch)] = float(trainer.callback_metrics[self.metric])
            if trainer.is_global_zero:
                write_json(Path(trainer.default_root_dir) / VALUES, self.values)
            self.judge(epoch, trainer)
        self.validated = False

    def judge(self, epoch: int, trainer: pl.Trainer) -> None:
        """End the run if it is too far behind.

        Raises:
            Pruned: it is, and epochs remain to be saved.
        """
        value = float(self.values[str(epoch)])
        if self.judgement.hopeless(epoch, value) and epoch != trainer.max_epochs:
            raise Pruned(reason(epoch, self.metric, value))


def reason(epoch: int, metric: str, value: float) -> str:
    """Why a run was pruned."""
    return f"pruned after epoch {epoch}: {metric} {value:.4g}; on its own, the run would continue"
