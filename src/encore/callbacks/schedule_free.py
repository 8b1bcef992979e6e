"""What a schedule-free optimiser asks of a run: the averaged weights wherever they are looked at."""

from typing import Any

import pytorch_lightning as pl


class ScheduleFree(pl.Callback):
    """Switch a schedule-free optimiser to its average for validation, and at the end of training.

    Such an optimiser (Defazio et al. 2024) takes gradients at other weights than those that it is good at; its methods
    `train()` and `eval()` change from one to the other. Validation, the test and best.ckpt see the average.
    """

    averages_weights = True

    def on_train_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        if not trainer.fit_loop.done:  # a run that was stopped at its very end keeps its average
            switch(trainer, "train")

    def on_validation_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Put the average in."""
        switch(trainer, "eval")

    def on_validation_epoch_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Take it out again."""
        switch(trainer, "train")

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        """Leave it in place."""
        switch(trainer, "eval")


def switch(trainer: pl.Trainer, mode: str) -> None:
    for optimizer in trainer.optimizers if trainer.state.fn == "fit" else ():
        change: Any = getattr(optimizer, mode, None)
        if change is not None:
            change()
