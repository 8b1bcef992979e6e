"""What a run's net makes of its test examples, seen while they are tested, for all views of them together."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from encore.across_ranks import by_rank
from encore.callbacks.views.view import SHORT, View, planned_steps
from encore.callbacks.views.watch import Watch
from encore.data.module import DataModule
from encore.data.names import class_names, numbered
from encore.tasks.supervised import Supervised

MOST = 2**24  # probabilities that are kept: 64 MB


@dataclass(frozen=True)
class Predictions:
    """The test examples, of all ranks, as far as their probabilities were kept.

    Attributes:
        truth: their classes, int64 [n].
        predicted: the predicted classes, int64 [n].
        probabilities: float32 [n, classes].
        indices: their places in the data module's test source, int64 [n]; None: unknown.
        names: of the classes.
        whole: whether no example is left out, as one without a class or with a loss that is not finite.
    """

    truth: Tensor
    predicted: Tensor
    probabilities: Tensor
    indices: Tensor | None
    names: list[str]
    whole: bool

    @cached_property
    def confidence(self) -> Tensor:
        """The probabilities of the predicted classes, [n]."""
        return self.probabilities.gather(1, self.predicted[:, None])[:, 0]


class PredictionView(View):
    """A view of the test examples' predictions; of several, the first one sees them for all."""

    watch: Watch | None = None

    def show(self, trainer: pl.Trainer, tested: Predictions) -> None:
        """Show the predictions of the best weights, on the first rank."""
        raise NotImplementedError

    def on_test_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.seen: list[tuple[Tensor, Tensor]] = []
        self.found: Predictions | None = None
        self.output: Any = None
        self.watch = None
        if self.leads(trainer) and classifies(task) and trainer.loggers and planned_steps(trainer) >= SHORT:
            self.watch = Watch(task, self.note)

    def note(self, inputs: Any, output: Any) -> None:
        self.output = output

    def leads(self, trainer: pl.Trainer) -> bool:
        return first(trainer) is self

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        task: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep what the net has just made of a batch."""
        if self.watch is None or self.output is None:
            return
        found, self.output = of_batch(task, self.output, batch), None
        if found is None or dataloader_idx:
            self.seen.clear()
            self.end()
        elif sum(len(truth) for truth, _ in self.seen) * found[1].shape[1] < MOST:
            self.seen.append(found)

    def on_test_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self.end()
        if self.leads(trainer):
            self.found = gathered(trainer, self.seen)
            self.seen = []
        tested = first(trainer).found
        if trainer.is_global_zero and tested is not None:
            self.show(trainer, tested)

    def on_exception(self, trainer: pl.Trainer, task: pl.LightningModule, exception: BaseException) -> None:
        self.end()

    def end(self) -> None:
        """Watch the net no longer."""
        if self.watch is not None:
            self.watch.end()
            self.watch = None


def first(trainer: pl.Trainer) -> PredictionView:
    return next(part for part in trainer.callbacks if isinstance(part, PredictionView))  # type: ignore[attr-defined]


def classifies(task: Any) -> bool:
    """Whether a task says which class an example belongs to, and how likely each is."""
    if not all(callable(getattr(task, name, None)) for name in ("probabilities", "decision", "truth")):
        return False
    kind = type(task)
    if not isinstance(task, Supervised):
        return True
    given = kind.probabilities is not Supervised.probabilities and kind.decision is not Supervised.decision
    return given and kind.aim is Supervised.aim


def of_batch(task: Any, outputs: Any, batch: Any) -> tuple[Tensor, Tensor] | None:
    """A batch's classes [n, 2], true and predicted, and its probabilities [n, classes]; None if there is not one class
    an example.
    """
    if not isinstance(batch, list | tuple) or len(batch) != 2 or not isinstance(batch[1], Tensor):
        return None
    if not isinstance(outputs, Tensor) or outputs.ndim != 2:
        return None
    truth, predicted = task.truth(batch[1]), task.decision(outputs)
    probabilities = task.probabilities(outputs.float())
    if truth.is_floating_point() or truth.shape != predicted.shape or truth.shape != outputs.shape[:1]:
        return None
    return torch.stack([truth, predicted], 1).cpu(), probabilities.float().cpu()


def gathered(trainer: pl.Trainer, seen: list[tuple[Tensor, Tensor]]) -> Predictions | None:
    """All ranks' predictions; every rank has to ask. None if there are none."""
    here = None
    if seen:
        order = getattr(trainer.test_dataloaders, "order", None)
        indices = None if order is None else order.of_rank(order.of_epoch(0))[0]
        classes, probabilities = (torch.cat(each) for each in zip(*seen, strict=True))
        here = classes, probabilities, None if indices is None else indices[: len(classes)]
    every = [each for each in by_rank(here) if each is not None]
    if not every:
        return None
    classes, probabilities = (torch.cat([each[part] for each in every]) for part in (0, 1))
    places = None if any(each[2] is None for each in every) else torch.cat([each[2] for each in every])
    count = probabilities.shape[1]
    valid = ((classes >= 0) & (classes < count)).all(1) & probabilities.isfinite().all(1)
    if not valid.any():
        return None
    classes, probabilities = classes[valid], probabilities[valid]
    return Predictions(
        classes[:, 0], classes[:, 1], probabilities, None if places is None else places[valid],
        names_of(getattr(trainer, "datamodule", None), count), bool(valid.all()),
    )  # fmt: skip


def names_of(data: Any, count: int) -> list[str]:
    """The classes' names, of any data module; their numbers if it has no names, or another number of them."""
    recipe = data.recipe if isinstance(data, DataModule) else {"num_classes": count}
    return numbered(class_names(recipe, getattr(data, "source", data)), count)
