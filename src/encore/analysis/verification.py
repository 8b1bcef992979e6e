"""Whether two runs are the same, in every figure that a record shows, bit for bit or nearly."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from encore.analysis import recorded_figures
from encore.analysis.figures import Figure, Found, figure, relative, said_once
from encore.callbacks import losses
from encore.errors import InputError
from encore.files import sha256
from encore.provenance.environment import differences
from encore.record.checkpoint_files import LAST, weights
from encore.record.reading import read_manifest

NO_LOSSES = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Comparison:
    """How two runs compare.

    Attributes:
        counts: what was compared.
        words: what differs and what does not, in the order of the run.
        same: whether nothing differs, in any bit.
        relative: the largest relative difference; infinite where what differs is not a number.
        environment: how their environments differ.
        figures: everything that was compared.
    """

    counts: str
    words: str
    same: bool
    relative: float
    environment: list[str]
    figures: list[Figure]

    @property
    def within(self) -> float:
        """The power of ten that no difference exceeds."""
        return 10.0 ** math.ceil(math.log10(max(self.relative, 1e-16)))


def compare(recorded: Path, again: Path) -> Comparison:
    """Compare a run with its repetition.

    Raises:
        InputError: something that is to be compared is missing, cannot be read, or is not what was recorded.
    """
    before, after = read_manifest(recorded), read_manifest(again)
    if not before["metrics"] and not after["metrics"]:
        raise InputError(f"{recorded} has no metrics: there is no figure to be had again")
    first, second = losses_of(recorded, before), losses_of(again, after)
    found = [
        *of_data(before, after),
        *of_length(before, after),
        *of_losses(recorded, first, second, before),
        *of_order(before, after),
        *of_weights(before, after, recorded, again),
        *of_metrics(before, after),
        *recorded_figures.of_manifest(before, after),
        *recorded_figures.of_result(before, after, recorded, again),
        *recorded_figures.of_files(recorded, again),
    ]
    sizes = [each.apart for each in found if each.apart is not None]
    untested = "" if any(name.startswith("test/") for name in before["metrics"]) else " (none of a test set)"
    return Comparison(
        f"{len(first):,} losses, {len(before['weights'])} tensors, {len(before['metrics'])} metrics{untested}, "
        f"{recorded_figures.counted(found)}, batch order",
        words="; ".join(each.words for each in found if each.words),
        same=not sizes,
        relative=max(sizes, default=0.0),
        environment=[*environments(before, after), *changes(before)],
        figures=found,
    )


def environments(before: dict, after: dict) -> list[str]:
    """How the environments of two runs differ, as far as their device reads them."""
    on_cpu = before.get("device") == after.get("device") == "cpu"
    return differences(before["environment"], after["environment"], on_cpu)


def changes(run: dict) -> list[str]:
    """What had changed where a run was resumed, by its record."""
    return [
        f"resumed at step {attempt['step']} in another environment: {difference}"
        for attempt in run["attempts"]
        for difference in attempt.get("differences", [])
    ]


def losses_of(folder: Path, run: dict) -> np.ndarray:
    """A run's losses; empty if its training steps return none, as with several optimisers."""
    if run["losses_sha256"] == NO_LOSSES:
        return np.empty(0, losses.TYPE)
    return losses.read(folder, run["batches_per_epoch"] * (run["epochs"] + 1))


def of_data(before: dict, after: dict) -> Found:
    """Examples or splits that are not the same."""
    for what in ("examples", "split"):
        name = f"{what}_sha256"
        one, other = before["data"][name], after["data"][name]
        words = "" if one == other else f"{what} of the data differ"
        yield Figure(f"manifest.json data.{name}", one, other, math.inf if words else None, words)


def of_length(before: dict, after: dict) -> Found:
    """A run that was longer or shorter."""
    for what in ("epochs", "steps"):
        one, other = before[what], after[what]
        words = "" if one == other else f"{one} {what} against {other}"
        yield Figure(f"manifest.json {what}", one, other, math.inf if words else None, words)


def of_losses(recorded: Path, before: np.ndarray, after: np.ndarray, run: dict[str, Any]) -> Found:
    """The first loss that differs, and where: epoch and step are counted from 0."""
    shared = min(len(before), len(after))
    unlike = np.flatnonzero(before[:shared].view(np.uint32) != after[:shared].view(np.uint32))
    name = f"{losses.FILE} {len(before):,} losses"
    one, other = (hashlib.sha256(each.tobytes()).hexdigest() for each in (before, after))
    if len(unlike):
        first, each = int(unlike[0]), run["batches_per_epoch"]
        accumulated = run["config"]["trainer"].get("accumulate_grad_batches", 1)
        epoch, batch = divmod(first, each)
        words = (
            f"first difference at epoch {epoch}, step {epoch * -(-each // accumulated) + batch // accumulated}: "
            f"loss {before[first]:.9g} against {after[first]:.9g}"
        )
        yield Figure(name, one, other, relative(before[unlike], after[unlike]), words)
    if len(before) != len(after):
        yield Figure(name, one, other, math.inf, f"{len(before):,} losses against {len(after):,}")
    if one == other:
        yield Figure(name, one, other)
    if (recorded / losses.FILE).exists() and sha256(recorded / losses.FILE) != one:
        raise InputError(f"{recorded / losses.FILE} holds more than losses")
    digest = run["losses_sha256"]
    words = "" if digest == one else "losses_sha256 is of other losses"
    yield Figure("manifest.json losses_sha256", digest, one, math.inf if words else None, words)


def of_order(before: dict, after: dict) -> Found:
    """Whether the batches came in the same order."""
    one, other = before["order_sha256"], after["order_sha256"]
    same = one == other
    words = f"batch order {'identical' if same else 'differs'}"
    yield Figure("manifest.json order_sha256", one, other, None if same else math.inf, words)


def of_weights(before: dict, after: dict, recorded: Path, again: Path) -> Found:
    """Tensors of the last weights that differ."""
    first, second = before["weights"], after["weights"]
    unlike = [name for name in first if first[name] != second.get(name)]
    size, words = None, ""
    if unlike or first.keys() != second.keys():
        shown = ", ".join(unlike[:3]) + (f" and {len(unlike) - 3} more" if len(unlike) > 3 else "")
        size, words = weights_apart(unlike, recorded, again), f"weights differ in {shown or 'their names'}"
    yield Figure("manifest.json weights", sorted(first), sorted(second), size, words)
    for name, digest in first.items():
        yield Figure(f"manifest.json weights.{name}", digest, second.get(name), size if name in unlike else None)
    one, other = before["weights_sha256"], after["weights_sha256"]
    words = "" if one == other else "weights_sha256 differs"
    yield Figure("manifest.json weights_sha256", one, other, (size or math.inf) if words else None, words)


def weights_apart(names: list[str], recorded: Path, again: Path) -> float:
    """How far tensors are apart; infinite where they are not there to be compared, or are the same after all."""
    try:
        first, second = (weights(run / "checkpoints" / LAST) for run in (recorded, again))
        sizes = [relative(first[name].double().numpy(), second[name].double().numpy()) for name in names]
    except (InputError, KeyError, ValueError):
        return math.inf
    return max(sizes, default=math.inf) or math.inf


def of_metrics(before: dict, after: dict) -> Found:
    """Metrics that differ; the first in words."""
    first, second = ({name: float.fromhex(value) for name, value in run["metrics"].items()} for run in (before, after))
    yield from said_once((metric(name, first.get(name), second.get(name)) for name in {**first, **second}), "metrics")


def metric(name: str, one: float | None, other: float | None) -> Figure:
    """A metric of the manifest."""
    found = figure(name, one, other)
    return Figure(f"manifest.json metrics.{name}", one, other, found.apart, found.words)
