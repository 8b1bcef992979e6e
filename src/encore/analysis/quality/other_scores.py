"""How good a model is that predicts numbers, any of several labels, or the class of each pixel."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics.functional.classification import multilabel_f1_score, multilabel_precision, multilabel_recall

from encore.analysis.pictures.colors import INK, color_of
from encore.analysis.predicted import MOST_NUMBERS, named
from encore.analysis.quality.examples import Examples
from encore.analysis.quality.scores import Scores
from encore.analysis.results.axes import plain, tidy
from encore.analysis.results.table_formats import Rows, number
from encore.data.batch import AnyBatch
from encore.errors import InputError
from encore.tasks.likelihood import Likelihood
from encore.tasks.supervised import Supervised
from encore.use.model import Model
from encore.use.reading import FEW

WORST = 5  # examples with the largest errors
MOST_POINTS = 5000  # in the picture of the residuals
MOST_COLOURS = 8


@dataclass(frozen=True)
class Numbers:
    """How well numbers are predicted.

    Attributes:
        metrics: by name.
        names: of the numbers of an example; one for all where they are too many to be told apart.
        truth: float64 [n, numbers].
        predicted: the same.
        places: of the examples in their dataset, [n].
    """

    metrics: dict[str, float]
    names: list[str]
    truth: np.ndarray
    predicted: np.ndarray
    places: np.ndarray

    def columns(self) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Each number's name, true values and predictions."""
        if len(self.names) == self.truth.shape[1]:
            return list(zip(self.names, self.truth.T, self.predicted.T, strict=True))
        return [(self.names[0], self.truth.ravel(), self.predicted.ravel())]

    def shown(self) -> list[Rows]:
        """A table of the numbers, if there are several, and the examples with the largest errors."""
        by_number = [["", "R²", "MAE", "RMSE", "largest error"]]
        columns = self.columns()
        for name, truth, predicted in columns:
            by_number.append([name, *map(number, errors(truth, predicted).values())])
        apart = np.sqrt(((self.predicted - self.truth) ** 2).mean(1))
        worst = np.argsort(-apart, kind="stable")[:WORST]
        if len(columns) == 1 and self.truth.shape[1] == 1:
            rows = [["largest errors: example", "true", "predicted", "error"]]
            for place in worst:
                true, said = float(self.truth[place, 0]), float(self.predicted[place, 0])
                rows.append([str(self.places[place]), number(true), number(said), number(said - true)])
        else:
            rows = [["largest errors: example", "RMSE"]]
            rows += [[str(self.places[place]), number(float(apart[place]))] for place in worst]
        return [*([by_number] if len(columns) > 1 else []), rows]

    def tables(self) -> dict[str, list[list[Any]]]:
        """`residuals`: each example with its true and predicted numbers; without those too many to be told apart."""
        if len(self.names) != self.truth.shape[1]:
            return {}
        heading = ["example", *(f"{kind} {name}" for name in self.names for kind in ("true", "predicted"))]
        pairs = np.stack([self.truth, self.predicted], 2).reshape(len(self.truth), -1)
        rows = [[int(place), *row] for place, row in zip(self.places, pairs.tolist(), strict=True)]
        return {"residuals": [heading, *rows]}

    def figures(self, title: str) -> dict[str, Figure]:
        """`residuals`: predictions against true values, and what they miss them by."""
        drawn = Figure(figsize=(9, 4.2), layout="constrained")
        left, right = drawn.subplots(1, 2)
        columns = self.columns()
        several = 1 < len(columns) <= MOST_COLOURS
        for place, (name, truth, predicted) in enumerate(columns):
            step = -(-len(truth) // (MOST_POINTS // min(len(columns), MOST_COLOURS)))
            dots: dict[str, Any] = {"s": 9, "alpha": 0.6, "linewidths": 0, "color": color_of(place if several else 0)}
            left.scatter(truth[::step], predicted[::step], label=plain(name), **dots)
            right.scatter(predicted[::step], (predicted - truth)[::step], **dots)
        bounds = [float(each) for part in (self.truth, self.predicted) for each in (part.min(), part.max())]
        left.plot([min(bounds), max(bounds)], [min(bounds), max(bounds)], color="0.5", linewidth=1, zorder=0)
        right.axhline(0, color="0.5", linewidth=1, zorder=0)
        left.set(xlabel="true value", ylabel="prediction")
        right.set(xlabel="prediction", ylabel="residual: prediction − true value")
        if several:
            left.legend(frameon=False, fontsize="small")
        drawn.suptitle(plain(title), fontsize="medium", color=INK)
        tidy(left)
        tidy(right)
        return {"residuals": drawn}


@dataclass(frozen=True)
class Labels:
    """How well each of several labels is predicted.

    Attributes:
        metrics: by name.
        rows: a row for each label under a heading, in full precision.
    """

    metrics: dict[str, float]
    rows: list[list[Any]]

    def shown(self) -> list[Rows]:
        heading, *rows = self.rows
        return [[heading, *([name, str(count), *map(number, scores)] for name, count, *scores in rows)]]

    def tables(self) -> dict[str, list[list[Any]]]:
        return {"labels": self.rows}

    def figures(self, title: str) -> dict[str, Figure]:
        return {}


def errors(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float | None]:
    """R² (None where the true values are all one), MAE, RMSE, and the largest error."""
    apart, spread = predicted - truth, float(((truth - truth.mean()) ** 2).sum())
    return {
        "R²": 1 - float((apart**2).sum()) / spread if spread else None,
        "MAE": float(np.abs(apart).mean()),
        "RMSE": float(np.sqrt((apart**2).mean())),
        "largest error": float(np.abs(apart).max()),
    }


def of_numbers(model: Model, examples: Examples) -> Numbers:
    """Scores of predicted numbers.

    Raises:
        InputError: targets are not numbers as the predictions are.
    """
    if isinstance(model.task, Likelihood):
        raise InputError(f"{model.folder} predicts a distribution's parameters: --full compares numbers with targets")
    found = model.predictions(examples.source, examples.indices).values
    truth = torch.cat([targets_of(model, batch) for batch in model.batches(examples.source, examples.indices)])
    if tuple(truth.shape) != found.shape:
        raise InputError(
            f"{model.folder}: {type(model.task).__name__} predicts {list(found.shape)} for targets "
            f"{list(truth.shape)}: --full compares numbers with as many"
        )
    true, said = (each.reshape(len(found), -1).astype(np.float64) for each in (truth.numpy(), found))
    axes, count = (model.config["data"].get("axes") or {}).get("targets") or [], true.shape[1]
    names = [str(axis) for axis in axes] if len(axes) == count else named(count)
    by_column = [errors(*column) for column in zip(true.T, said.T, strict=True)]
    explained = [each["R²"] for each in by_column]
    mean = float(np.mean(explained)) if None not in explained else None  # type: ignore[arg-type]
    metrics = {**errors(true, said), "R²": mean}
    kept = {name: value for name, value in metrics.items() if value is not None}
    places = examples.indices.numpy()
    return Numbers(kept, names if count <= MOST_NUMBERS else ["all"], true, said, places)


def of_labels(model: Model, examples: Examples) -> Labels:
    """Scores of labels: of each, and over all."""
    found = model.predictions(examples.source, examples.indices)
    truth = torch.cat([targets_of(model, batch) for batch in model.batches(examples.source, examples.indices)])
    values, count = torch.from_numpy(found.values), found.values.shape[1]
    shared: dict[str, Any] = {"num_labels": count, "validate_args": False}
    by_label = [
        each(values, truth, average="none", **shared).tolist()
        for each in (multilabel_precision, multilabel_recall, multilabel_f1_score)
    ]
    metrics = {
        "all labels right": float((values == truth).all(1).double().mean()),
        "micro F1": float(multilabel_f1_score(values, truth, average="micro", **shared)),
        "macro F1": float(multilabel_f1_score(values, truth, average="macro", **shared)),
    }
    heading = ["label", "examples", "precision", "recall", "F1"]
    return Labels(metrics, [heading, *map(list, zip(found.classes, truth.sum(0).tolist(), *by_label, strict=True))])


def of_pixels(model: Model, examples: Examples) -> Scores:
    """Scores of pixels' classes, of which each pixel counts as an example; ignored ones do not."""
    confusion, names = torch.zeros(0, 0, dtype=torch.int64), list[str]()
    ignored = getattr(model.task, "ignore_index", -100)
    for chunk in examples.indices.split(FEW):
        found = model.predictions(examples.source, chunk)
        truth = torch.cat([targets_of(model, batch) for batch in model.batches(examples.source, chunk)])
        values, names = torch.from_numpy(found.values), found.classes
        if truth.shape != values.shape:
            raise InputError(
                f"{model.folder}: {type(model.task).__name__} predicts pixels {list(values.shape)} for targets "
                f"{list(truth.shape)}: --full needs a class for each pixel"
            )
        kept = (truth != ignored) & (truth >= 0) & (truth < len(names))
        added = (truth[kept] * len(names) + values[kept]).bincount(minlength=len(names) ** 2)
        confusion = added + (confusion.flatten() if confusion.numel() else 0)
    counts = confusion.reshape(len(names), -1).double()
    right, true, said = counts.diagonal(), counts.sum(1), counts.sum(0)
    overlap = right / (true + said - right)
    metrics = {
        "pixel accuracy": float(right.sum() / counts.sum()),
        "mean IoU": float(overlap[true + said > 0].mean()),
    }
    ratios = (right / said, right / true, 2 * right / (true + said), overlap)
    precision, recall, f1, shared = (each.nan_to_num(0).tolist() for each in ratios)
    return Scores(metrics, counts.long().numpy(), names, precision, recall, f1, shared)


def targets_of(model: Model, batch: AnyBatch) -> Tensor:
    """What the predictions for a batch are compared with, on the CPU.

    Raises:
        InputError: it is no tensor.
    """
    inputs, targets = batch
    if isinstance(model.task, Supervised):
        targets = model.task.truth(model.task.aim(inputs, targets))
    if not isinstance(targets, Tensor):
        raise InputError(f"{model.folder}: the examples have several targets, or none: --full is for one tensor")
    return targets.cpu()
