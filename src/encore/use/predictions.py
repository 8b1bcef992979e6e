"""What a trained model says of examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encore.data.names import numbered
from encore.tasks.multilabel import Multilabel
from encore.tasks.segmentation import Segmentation
from encore.tasks.supervised import Supervised


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
    if kind == "classes":
        probable, values = task.probabilities(outputs.double()), task.decision(outputs)
    elif kind == "labels":
        probable = outputs.double().sigmoid()
        values = (task.prediction(outputs) > 0.5).long()
    elif kind == "pixels":
        probable, values = outputs.double().softmax(1), outputs.argmax(1)
    else:
        probable, values = None, task.prediction(outputs) if hasattr(task, "prediction") else outputs
    count = 0 if probable is None else probable.shape[1]
    return Predictions(
        kind, outputs.numpy(), values.numpy(), None if probable is None else probable.numpy(), numbered(names, count)
    )


def kind_of(task: Any) -> str:
    """What a task's predictions are, as `Predictions.kind` says."""
    if isinstance(task, Multilabel):
        return "labels"
    if isinstance(task, Segmentation):
        return "pixels"
    classifies = isinstance(task, Supervised) and type(task).probabilities is not Supervised.probabilities
    return "classes" if classifies else "values"


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Outputs of several batches, on the CPU."""
    return torch.cat([part.float().cpu() if part.dtype == torch.bfloat16 else part.cpu() for part in parts])
