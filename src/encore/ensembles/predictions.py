"""What finished runs predict: class probabilities of their best weights."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from encore.config import OF_TRAINING, has_test, without_test
from encore.data.module import DataModule
from encore.data.normalize import CHUNK
from encore.data.sources import Source
from encore.errors import InputError
from encore.record.checkpoint_files import BEST
from encore.reopened import reopened
from encore.results.table import Table
from encore.training import Parts
from encore.trust import recorded_config


@dataclass(frozen=True)
class Predictions:
    """What a run predicts of a split, in the split's order.

    Attributes:
        probabilities: float64 [n, classes]; each row adds up to 1.
        targets: class numbers, int64 [n].
        indices: of the examples in their source, int64 [n].
        examples_sha256: of inputs, targets and indices: the same where runs predict the same examples.
    """

    probabilities: np.ndarray
    targets: np.ndarray
    indices: np.ndarray
    examples_sha256: str


def predict(folder: Path, split: str = "test", weights: Path | None = None) -> Predictions:
    """What a run's best weights predict of a split; arguments as of `predict_splits`."""
    (found,) = predict_splits(folder, [split], weights)
    return found


def predict_splits(
    folder: Path, splits: Sequence[str], weights: Path | None = None, checkpoint: str = BEST
) -> list[Predictions]:
    """What a run's weights predict of each split, with its normalisation, device and precision, on one device.

    Args:
        folder: of a run.
        splits: `test`, `val`; `train`, which is every training example once, whatever the bootstrap drew; `drawn`,
            which is what it drew, and the same where there is none.
        weights: where the weights are by which the bootstrap draws, if no longer where they were.
        checkpoint: the file with the run's weights, best.ckpt or last.ckpt.

    Raises:
        InputError: the record, the checkpoint or the data cannot be used, or there is no such split.
    """
    cfg = recorded_config(folder)
    if cfg["data"]["num_classes"] is None:
        raise InputError(f"{folder} predicts numbers, and this is for classes")
    if "test" in splits and not has_test(cfg):
        raise InputError(f"{folder} {without_test(cfg)}")
    if weights is not None:
        cfg["data"]["weights"] = {"path": str(weights)}
    found = []
    with reopened(folder, cfg, checkpoint) as parts:
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
    """A split's source, and which examples of it they are."""
    if split == "test":
        return data.opened_test(), data.test_indices
    return data.source, {"val": data.split.val, "train": data.pool, "drawn": data.split.train}[split]


def probabilities(parts: Parts, source: Source, indices: Tensor) -> np.ndarray:
    """Class probabilities, float64 [n, classes]."""
    return parts.task.probabilities(outputs(parts, source, indices).double()).numpy()  # type: ignore[operator]


def outputs(parts: Parts, source: Source, indices: Tensor) -> Tensor:
    """What the net makes of raw inputs, on the CPU, [n, num_outputs], in the steps that Lightning's test takes."""
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


def predict_all(folders: Iterable[Path], split: str = "test") -> list[Predictions]:
    """What several runs predict, with a bar on a terminal."""
    return [
        predict(folder, split) for folder in tqdm(list(folders), "predicting", unit=" runs", leave=False, disable=None)
    ]


def same_examples(table: Table, found: list[Predictions]) -> None:
    """Check that the runs of a table predict the same examples.

    Raises:
        InputError: two do not; it says what differs.
    """
    for number, one in enumerate(found):
        if one.examples_sha256 != found[0].examples_sha256:
            raise InputError(
                f"{table.runs[number].folder} predicts other examples than {table.runs[0].folder}: "
                f"{difference(table, number) or 'their data files are not the same'}\n"
                "only predictions of the same examples can be put together"
            )


def difference(table: Table, number: int) -> str:
    """The settings by which a run's test examples can be others than the first one's."""
    first, other = table.settings.iloc[0], table.settings.iloc[number]
    return ", ".join(
        f"{name}={other[name]} against {first[name]}"
        for name in table.settings
        if name.startswith("data.") and not name.startswith(OF_TRAINING) and other[name] != first[name]
    )
