"""How good a model is on some examples: its own metrics, and for classes what is asked of every classifier."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from encore.analysis.quality.examples import Examples
from encore.analysis.results.table_formats import Rows, number
from encore.callbacks.views.calibration import BINS
from encore.errors import InputError
from encore.tasks.supervised import Supervised
from encore.use.model import Model
from encore.use.predictions import Predictions

TOP = 5


@dataclass(frozen=True)
class Scores:
    """How well classes are predicted.

    Attributes:
        metrics: numbers by name.
        confusion: examples by true and by predicted class, int64 [classes, classes].
        classes: names.
        precision: of each class, [classes].
        recall: the share of a class's examples that are found, [classes].
        f1: the harmonic mean of both, [classes].
        overlap: of pixels, the intersection over the union, [classes].
    """

    metrics: dict[str, float]
    confusion: np.ndarray
    classes: list[str]
    precision: list[float]
    recall: list[float]
    f1: list[float]
    overlap: list[float] | None = None

    def scores(self) -> dict[str, list[float]]:
        """What there is of each class, by name."""
        found = {"precision": self.precision, "recall": self.recall, "F1": self.f1}
        return found if self.overlap is None else {**found, "IoU": self.overlap}

    def shown(self) -> list[Rows]:
        """A table of the classes."""
        of_each = self.scores()
        rows = [["class", "examples" if self.overlap is None else "pixels", *of_each, "most often taken for"]]
        for place, name in enumerate(self.classes):
            others = self.confusion[place].copy()
            others[place] = 0
            taken = f"{self.classes[int(others.argmax())]} ({others.max()})" if others.any() else ""
            scores = (each[place] for each in of_each.values())
            rows.append([name, str(self.confusion[place].sum()), *map(number, scores), taken])
        return [rows]

    def tables(self) -> dict[str, list[list[Any]]]:
        """`classes` and `confusion`, in full precision."""
        of_each, counts = self.scores(), self.confusion.sum(1).tolist()
        classes = [list(row) for row in zip(self.classes, counts, *of_each.values(), strict=True)]
        heading = ["class", "examples", *map(str.lower, of_each)]
        named = [[name, *row] for name, row in zip(self.classes, self.confusion.tolist(), strict=True)]
        return {"classes": [heading, *classes], "confusion": [["true \\ predicted", *self.classes], *named]}


def own_metrics(model: Model, examples: Examples) -> dict[str, float]:
    """The loss and the metrics of the run itself, computed as in its test.

    Raises:
        InputError: the task is not one of Encore's, whose metrics are known.
    """
    task, precision = model.task, model.trainer.precision_plugin
    if not isinstance(task, Supervised):
        raise InputError(f"{model.folder}: {type(task).__name__} is none of Encore's tasks, whose metrics are known")
    with model.computing():
        for batch in model.batches(examples.source, examples.indices):
            with precision.test_step_context():
                task.evaluate(precision.convert_input(batch), task.test_tally)
        means = task.test_tally.means()
    return {name: float(value) for name, value in means.items() if isinstance(value, Tensor) and value.numel() == 1}


def scores(model: Model, examples: Examples) -> Scores:
    """What is asked of every classifier.

    Raises:
        InputError: the model predicts no classes.
    """
    found, targets = predicted(model, examples)
    probable, values = torch.from_numpy(found.probabilities), torch.from_numpy(found.values)
    count = probable.shape[1]
    shared: dict[str, Any] = {"num_classes": count, "validate_args": False}
    top = {}
    if count > TOP:
        top[f"top-{TOP} accuracy"] = multiclass_accuracy(probable, targets, top_k=TOP, average="micro", **shared)
    metrics = {
        "accuracy": multiclass_accuracy(values, targets, average="micro", **shared),
        **top,
        "macro F1": multiclass_f1_score(values, targets, average="macro", **shared),
        "NLL": F.nll_loss(probable.clamp_min(torch.finfo(probable.dtype).tiny).log(), targets),
        "ECE": multiclass_calibration_error(probable, targets, n_bins=BINS, **shared),
    }
    by_class = [
        each(values, targets, average="none", **shared).tolist()
        for each in (multiclass_precision, multiclass_recall, multiclass_f1_score)
    ]
    confusion = multiclass_confusion_matrix(values, targets, **shared).numpy()
    return Scores({name: float(value) for name, value in metrics.items()}, confusion, found.classes, *by_class)


def predicted(model: Model, examples: Examples) -> tuple[Predictions, Tensor]:
    """Predictions of classes, and the true ones."""
    found = model.predictions(examples.source, examples.indices)
    if found.kind != "classes":
        raise InputError(f"{model.folder} predicts no classes: these scores are of classifiers")
    return found, examples.source.targets[examples.indices]
