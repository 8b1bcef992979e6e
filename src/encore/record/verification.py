"""Whether two runs are the same: batch order, every step's loss, weights and metrics, bit for bit or nearly."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from encore.errors import InputError
from encore.record import losses, manifest
from encore.record.checkpoint_files import LAST, load
from encore.record.environment import differences


@dataclass(frozen=True)
class Comparison:
    """How two runs compare.

    Attributes:
        counts: what was compared.
        words: what differs and what does not, the first in the run's course first.
        same: whether nothing differs, in any bit.
        relative: the largest relative difference; infinite where what differs is not a number.
        environment: how the places differ where they ran.
    """

    counts: str
    words: str
    same: bool
    relative: float
    environment: list[str]

    @property
    def within(self) -> float:
        """The power of ten that no difference exceeds."""
        return 10.0 ** math.ceil(math.log10(max(self.relative, 1e-16)))


# What was found of one part: in words, and how far the two are apart; None where they are the same.
Found = Iterator[tuple[str, float | None]]


def compare(recorded: Path, again: Path) -> Comparison:
    """Compare a run with the same run done again.

    Raises:
        InputError: something that is to be compared is missing, cannot be read, or is not what was recorded.
    """
    before, after = manifest.read(recorded), manifest.read(again)
    first, second = losses.read(recorded), losses.read(again)
    if hashlib.sha256(first.tobytes()).hexdigest() != before["losses_sha256"]:
        raise InputError(f"{recorded / losses.FILE} is not what it was")
    found = [
        *of_data(before, after),
        *of_length(before, after),
        *of_losses(first, second, before),
        *of_order(before, after),
        *of_weights(before, after, recorded, again),
        *of_metrics(before, after),
    ]
    apart = [size for _, size in found if size is not None]
    untested = "" if any(name.startswith("test/") for name in before["metrics"]) else " (none of a test set)"
    return Comparison(
        f"{len(first):,} losses, {len(before['weights'])} tensors, {len(before['metrics'])} metrics{untested}, "
        "batch order",
        words="; ".join(words for words, _ in found),
        same=not apart,
        relative=max(apart, default=0.0),
        environment=differences(before["environment"], after["environment"]),
    )


def of_data(before: dict, after: dict) -> Found:
    """Examples or splits that are not the same."""
    for what in ("examples", "split"):
        if before["data"][f"{what}_sha256"] != after["data"][f"{what}_sha256"]:
            yield f"{what} of the data differ", math.inf


def of_length(before: dict, after: dict) -> Found:
    """A run that was longer or shorter."""
    for what in ("epochs", "steps"):
        if before[what] != after[what]:
            yield f"{before[what]} {what} against {after[what]}", math.inf


def of_losses(before: np.ndarray, after: np.ndarray, run: dict[str, Any]) -> Found:
    """The first loss that differs, and where: epoch and step are counted from 0."""
    shared = min(len(before), len(after))
    unlike = np.flatnonzero(before[:shared].view(np.uint32) != after[:shared].view(np.uint32))
    if len(unlike):
        first, each = int(unlike[0]), run["batches_per_epoch"]
        accumulated = run["config"]["trainer"].get("accumulate_grad_batches", 1)
        epoch, batch = divmod(first, each)
        yield (
            f"first difference at epoch {epoch}, step {epoch * -(-each // accumulated) + batch // accumulated}: "
            f"loss {before[first]:.9g} against {after[first]:.9g}",
            relative(before[unlike], after[unlike]),
        )
    if len(before) != len(after):
        yield f"{len(before):,} losses against {len(after):,}", math.inf


def of_order(before: dict, after: dict) -> Found:
    """Whether the batches came in the same order."""
    same = before["order_sha256"] == after["order_sha256"]
    yield f"batch order {'identical' if same else 'differs'}", None if same else math.inf


def of_weights(before: dict, after: dict, recorded: Path, again: Path) -> Found:
    """Tensors of the last weights that differ."""
    unlike = [name for name in before["weights"] if before["weights"][name] != after["weights"].get(name)]
    if unlike or before["weights"].keys() != after["weights"].keys():
        shown = ", ".join(unlike[:3]) + (f" and {len(unlike) - 3} more" if len(unlike) > 3 else "")
        yield f"weights differ in {shown or 'their names'}", weights_apart(unlike, recorded, again)


def weights_apart(names: list[str], recorded: Path, again: Path) -> float:
    """How far tensors are apart; infinite where they are no longer there to be compared."""
    try:
        first, second = (load(run / "checkpoints" / LAST)["state_dict"] for run in (recorded, again))
        return max((relative(first[n].double().numpy(), second[n].double().numpy()) for n in names), default=math.inf)
    except (InputError, KeyError, ValueError):
        return math.inf


def of_metrics(before: dict, after: dict) -> Found:
    """Metrics that differ; the first in words."""
    pairs = {name: (value, after["metrics"].get(name, "nan")) for name, value in before["metrics"].items()}
    unlike = {name: [float.fromhex(value) for value in pair] for name, pair in pairs.items() if pair[0] != pair[1]}
    if unlike:
        name, (first, second) = next(iter(unlike.items()))
        more = f" and {len(unlike) - 1} more metrics" if len(unlike) > 1 else ""
        apart = max(relative(np.array([one]), np.array([other])) for one, other in unlike.values())
        yield f"{name} {first:.9g} against {second:.9g}{more}", apart


def relative(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference of two arrays, as a part of the largest value of the first."""
    if first.shape != second.shape or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return math.inf
    if not first.size:
        return 0.0
    apart, scale = float(np.abs(first.astype(float) - second).max()), float(np.abs(first).max())
    return 0.0 if apart == 0 else apart / scale if scale else math.inf
