"""Class probabilities that finished runs predict."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encore.analysis.results.finished import of_each
from encore.analysis.results.run_table import Table
from encore.config.facts import OF_TRAINING, has_test, without_test
from encore.data.module import DataModule
from encore.data.normalize import CHUNK
from encore.data.sources import Source
from encore.errors import InputError
from encore.provenance.trust import recorded_config
from encore.record.checkpoint_files import BEST
from encore.runner.parts import Parts
from encore.runner.restored_run import restored_run


@dataclass(frozen=True)
class Predictions:
    """A run's predictions for a split, in the split's order.

    Attributes:
        probabilities: float64 [n, classes]; each row adds up to 1.
        targets: class numbers, int64 [n].
        indices: of the examples in their source, int64 [n].
        examples_sha256: of inputs, targets and indices: equal if runs predict the same examples.
    """

    probabilities: np.ndarray
    targets: np.ndarray
    indices: np.ndarray
    examples_sha256: str


def predict(folder: Path, split: str = "test", weights: Path | None = None) -> Predictions:
    """Predict a split with a run's best weights; arguments as for `predict_splits`."""
    (found,) = predict_splits(folder, [split], weights)
    return found


def predict_splits(
    folder: Path, splits: Sequence[str], weights: Path | None = None, checkpoint: str = BEST
) -> list[Predictions]:
    """Predict splits with a run's weights, normalisation and precision, on one device.

    Args:
        folder: the run's folder.
        splits: `test`, `val`; `train`, which is every training example once, whatever the bootstrap drew; `drawn`,
            which is what it drew, and the same where there is none.
        weights: the file of the bootstrap's example weights, if it has moved.
        checkpoint: the file with the run's weights, best.ckpt or last.ckpt.

    Raises:
        InputError: the record, the checkpoint or the data cannot be used, or there is no such split.
    """
    cfg = recorded_config(folder)
    if cfg["data"].get("num_classes") is None:
        raise InputError(f"{folder} predicts numbers; this needs classes")
    if "test" in splits and not has_test(cfg):
        raise InputError(f"{folder} {without_test(cfg)}")
    if weights is not None:
        cfg["data"]["weights"] = {"path": str(weights)}
    found = []
    with restored_run(folder, cfg, checkpoint) as parts:
        for split in splits:
            source, indices = examples(parts.data, split)
            if not len(indices):
                raise InputError(f"{folder} has no {split} set")
            found.append(
                Predictions(
                    probabilities(parts, source, indices),
                    source.targets[indices].numpy(),
                    indices.numpy(),
                    sha256(source, indices, cfg["data"]["num_classes"]),
                )
            )
    return found


def examples(data: DataModule, split: str) -> tuple[Source, Tensor]:
    """A split's source, and the indices of its examples."""
    if split == "test":
        return data.opened_test(), data.test_indices
    return data.source, {"val": data.split.val, "train": data.pool, "drawn": data.split.train}[split]


def probabilities(parts: Parts, source: Source, indices: Tensor) -> np.ndarray:
    """Class probabilities, float64 [n, classes]."""
    return parts.task.probabilities(outputs(parts, source, indices).double()).numpy()  # type: ignore[operator]


def outputs(parts: Parts, source: Source, indices: Tensor) -> Tensor:
    """The net's outputs for raw inputs, on the CPU, [n, num_outputs], computed as in Lightning's test."""
    precision, found = parts.trainer.precision_plugin, []
    with torch.inference_mode():
        for inputs, _ in parts.data.evaluation(source, indices):
            with precision.forward_context():  # not around the loader, whose batches are float32
                found.append(parts.task(precision.convert_input(inputs)))
        return torch.cat(found).cpu()


def sha256(source: Source, indices: Tensor, classes: int) -> str:
    """The digest of examples: their raw inputs, targets and indices, and how many classes there are."""
    digest = hashlib.sha256(f"{classes}\n".encode())
    for chunk in indices.split(CHUNK):
        for part in (chunk, source.targets[chunk], source.read(chunk.tolist())):
            digest.update(part.contiguous().numpy().tobytes())
    return digest.hexdigest()


def predict_all(
    table: Table, left_out: list[str], split: str = "test", least: int = 2
) -> tuple[Table, list[Predictions]]:
    """What several runs predict, and which they are; arguments as of `of_each`."""
    return of_each(table, left_out, lambda run: probable(run.folder, split), least)


def probable(folder: Path, split: str) -> Predictions:
    """What a run predicts.

    Raises:
        InputError: as `predict`, or it gives no probabilities.
    """
    found = predict(folder, split)
    if not np.isfinite(found.probabilities).all():
        raise InputError(f"{folder} predicts nothing: its weights give no finite probabilities")
    return found


def same_examples(table: Table, found: list[Predictions]) -> None:
    """Check that all runs predict the same examples.

    Raises:
        InputError: two do not; the message says what differs.
    """
    for number, one in enumerate(found):
        if one.examples_sha256 != found[0].examples_sha256:
            raise InputError(
                f"{table.runs[number].folder} predicts other examples than {table.runs[0].folder}: "
                f"{difference(table, number) or 'their data files are not the same'}\n"
                "only predictions of the same examples can be combined"
            )


def difference(table: Table, number: int) -> str:
    """The settings by which a run's test examples can be others than the first one's."""
    first, other = table.settings.iloc[0], table.settings.iloc[number]
    return ", ".join(
        f"{name}={other[name]} against {first[name]}"
        for name in table.settings
        if name.startswith("data.") and not name.startswith(OF_TRAINING) and other[name] != first[name]
    )
