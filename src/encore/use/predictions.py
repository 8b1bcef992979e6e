"""What a trained model says of examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encore.data.names import numbered
from encore.errors import ConfigError, InputError
from encore.tasks.multilabel import Multilabel
from encore.tasks.segmentation import Segmentation
from encore.tasks.supervised import Supervised

KINDS = ("classes", "labels", "pixels", "values")
# Of outputs, where they are scores of something.
SHAPES = {2: "[n, classes]", 4: "[n, classes, height, width]"}
DIMENSIONS = {"classes": 2, "labels": 2, "pixels": 4}


@dataclass(frozen=True)
class Predictions:
    """Predictions of n examples.

    Attributes:
        kind: `classes`: one of several; `labels`: any of several; `pixels`: a class for each pixel; `values`: numbers.
        outputs: of the net, [n, …].
        values: what the task's metrics compare with the targets: class numbers [n], 0 or 1 for each label, class
            numbers [n, h, w], or numbers in the targets' own units.
        probabilities: float64, of each class [n, classes] or [n, classes, h, w], or of each label; None for numbers.
        classes: names of the classes or labels; none for numbers.
    """

    kind: str
    outputs: np.ndarray
    values: np.ndarray
    probabilities: np.ndarray | None
    classes: list[str]

    def __len__(self) -> int:
        return len(self.outputs)

    @property
    def labels(self) -> list[Any]:
        """Names of the predicted classes: one an example, several for labels, arrays of them for pixels."""
        names = np.array(self.classes, dtype=object)
        if self.kind == "labels":
            return [names[row.astype(bool)].tolist() for row in self.values]
        return list(names[self.values]) if self.kind in ("classes", "pixels") else list(self.values)

    def top(self, count: int) -> list[list[tuple[str, float]]]:
        """The most probable classes or labels of each example with their probabilities, the predicted class first."""
        if self.probabilities is None or self.probabilities.ndim != 2:
            return [[] for _ in range(len(self))]
        found = []
        for row, value in zip(self.probabilities, self.values, strict=True):
            order = np.argsort(-row, kind="stable").tolist()
            if self.kind == "classes":
                order = [int(value), *(place for place in order if place != int(value))]
            found.append([(self.classes[place], float(row[place])) for place in order[:count]])
        return found


def predictions(task: Any, outputs: Tensor, names: Sequence[str] | None) -> Predictions:
    """What a net's outputs mean to its task."""
    kind = kind_of(task)
    if (fewest := DIMENSIONS.get(kind)) and outputs.ndim != fewest:
        raise InputError(
            f"{type(task).__name__} predicts {kind}, and its outputs are {list(outputs.shape)}, not {SHAPES[fewest]}"
        )
    probable = probabilities(task, kind, outputs.double())
    if kind == "classes":
        values = task.decision(outputs) if hasattr(task, "decision") else outputs.argmax(1)
    elif kind == "labels":
        likely: Tensor = task.prediction(outputs) if hasattr(task, "prediction") else outputs.sigmoid()
        values = (likely > 0.5).long()
    elif kind == "pixels":
        values = outputs.argmax(1)
    else:
        values = task.prediction(outputs) if hasattr(task, "prediction") else outputs
    count = 0 if probable is None else probable.shape[1]
    return Predictions(
        kind, outputs.numpy(), values.numpy(), None if probable is None else probable.numpy(), numbered(names, count)
    )


def probabilities(task: Any, kind: str, outputs: Tensor) -> Tensor | None:
    """What outputs say of classes, labels, or each pixel's classes; None for numbers."""
    if kind == "classes" and hasattr(task, "probabilities"):
        found: Tensor = task.probabilities(outputs)
        return found
    if kind in ("classes", "pixels"):
        return outputs.softmax(1)
    return outputs.sigmoid() if kind == "labels" else None


def kind_of(task: Any) -> str:
    """What a task's predictions are, as `Predictions.kind` says: what it says itself (`predicts`), or what it is of."""
    if (told := getattr(task, "predicts", None)) is not None:
        if told not in KINDS:
            raise ConfigError(f"{type(task).__name__}.predicts={told!r}: choose from {', '.join(KINDS)}")
        return str(told)
    if isinstance(task, Multilabel):
        return "labels"
    if isinstance(task, Segmentation):
        return "pixels"
    classifies = isinstance(task, Supervised) and type(task).probabilities is not Supervised.probabilities
    return "classes" if classifies else "values"


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Outputs of several batches, on the CPU."""
    return torch.cat([part.float().cpu() if part.dtype == torch.bfloat16 else part.cpu() for part in parts])
