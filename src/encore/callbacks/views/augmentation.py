"""What augmentation does."""

from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from encore.callbacks.views.drawing import as_bytes, sized, tiles
from encore.callbacks.views.examples import bounds, denormalised, picture_shape
from encore.callbacks.views.view import View, show, viewers
from encore.callbacks.views.watch import Watch

COLUMNS, ROWS, SIDE = 8, 3, 72


class Augmentation(View):
    """Show examples of the first training batch, above as they are, below as the net sees them.

    They are noted as the net gets them in the first step, so nothing is drawn twice.
    """

    watch: Watch | None = None
    after: Tensor | None = None

    def on_train_batch_start(self, trainer: pl.Trainer, task: pl.LightningModule, batch: Any, index: int) -> None:
        if index or trainer.global_step or not getattr(task, "augmentations", None):
            return
        inputs = batch[0] if isinstance(batch, list | tuple) else None
        shown = picture_shape(getattr(trainer, "datamodule", None)) is not None and viewers(trainer, "show_image")
        if isinstance(inputs, Tensor) and shown:
            self.before = some(inputs)
            self.watch = Watch(task, self.note)

    def note(self, inputs: Any, made: Any) -> None:
        """Keep what the net got, once."""
        self.end()
        if isinstance(inputs, Tensor):
            self.after = some(inputs)

    def end(self) -> None:
        if self.watch is not None:
            self.watch.end()

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if self.watch is None:
            return
        self.end()
        self.watch = None
        if self.after is not None and self.after.shape == self.before.shape:
            show(trainer, "show_image", "train/augmentation", drawn(trainer, self.before, self.after), 0)

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        self.end()


def some(inputs: Tensor) -> Tensor:
    """A copy of the first examples of a batch, on the CPU."""
    return inputs[: COLUMNS * ROWS].detach().float().cpu().clone()


def drawn(trainer: pl.Trainer, before: Tensor, after: Tensor) -> np.ndarray:
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    plain, changed = denormalised(data, before), denormalised(data, after)
    low, high = bounds(data, plain)
    columns = min(COLUMNS, len(plain))
    rows = []
    for first in range(0, len(plain) // columns * columns, columns):
        rows += [each[first : first + columns] for each in (plain, changed)]
    pictures = sized(as_bytes(np.concatenate(rows), low, high), SIDE)
    return tiles(pictures, columns, "Training examples; below each, as the net sees it")
