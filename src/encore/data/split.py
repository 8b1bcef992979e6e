"""The split into training, validation and test: a function of the split's seed and the classes alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encore.data.contract import Source
from encore.data.named.named_source import NamedSource
from encore.errors import ConfigError
from encore.seeding import derive


@dataclass(frozen=True)
class Split:
    """Indices into a source, int64, ascending and disjoint; a bootstrap sample may repeat some."""

    train: Tensor
    val: Tensor
    test: Tensor


def strata(source: Source, stratify: str | bool | None) -> Tensor:
    """What splits keep the proportions of, [n]: class numbers, unless the config names something else."""
    if isinstance(source, NamedSource):
        return source.strata(stratify)
    if isinstance(stratify, str):
        raise ConfigError(f"data.stratify={stratify} names an array, and this dataset has no data.inputs")
    targets = source.targets
    one_each = targets.ndim == 1 or targets.is_floating_point()
    return targets if one_each and stratify is not False else torch.zeros(len(targets), dtype=torch.long)


def grouped(groups: Tensor, **settings: Any) -> Split:
    """Split so that no group has examples in two parts; fractions and folds are those of groups.

    Args:
        groups: the number of each example's group, int64 [n].
        settings: those of `stratified`.
    """
    names, of = groups.unique(return_inverse=True)
    parts = stratified(torch.zeros(len(names), dtype=torch.long), what="groups", **settings)
    return Split(**{name: torch.isin(of, members).nonzero().flatten() for name, members in vars(parts).items()})


def stratified(
    targets: Tensor,
    *,
    val: float,
    test: float,
    fraction: float,
    seed: int,
    folds: int | None = None,
    fold: int = 0,
    what: str = "examples",
) -> Split:
    """Split by class, so that every part has the same proportions as the whole.

    Args:
        targets: class numbers, int64 [n]; numbers, float32 [n, 1], count as one class.
        val: fraction of all examples for validation, where there are no folds.
        test: fraction of all examples for test.
        fraction: fraction of the remaining training examples that is used. A smaller fraction is a subset of
            a larger one, and validation and test do not depend on it.
        seed: of the split only.
        folds: equal parts of all that is not for test, of which one is for validation.
        fold: which one, from 0; test does not depend on it.
        what: is split, for messages.

    Raises:
        ConfigError: nothing is left to train on.
    """
    generator = torch.Generator().manual_seed(derive(seed, "split"))
    order = torch.randperm(len(targets), generator=generator).numpy()
    strata = torch.zeros(len(targets)) if targets.is_floating_point() else targets
    rank = relative_rank(strata.numpy()[order])
    if folds is None:
        held_out = val + test
        val_part = np.flatnonzero((rank >= test) & (rank < held_out))
        train_part = np.flatnonzero((rank >= held_out) & (rank < held_out + (1 - held_out) * fraction))
    else:
        rest = np.flatnonzero(rank >= test)
        val_part, train_part = of_fold(rest[np.argsort(rank[rest], kind="stable")], folds, fold, fraction, what)
    parts = {"train": train_part, "val": val_part, "test": np.flatnonzero(rank < test)}
    for name, share in (("train", fraction), ("val", val if folds is None else 0), ("test", test)):
        if share > 0 and not len(parts[name]):
            raise ConfigError(f"the {name} split of {len(targets)} {what} is empty: raise its fraction")
    return Split(**{name: torch.from_numpy(np.sort(order[part])) for name, part in parts.items()})


def of_fold(
    ranked: np.ndarray, folds: int, fold: int, fraction: float, what: str = "examples"
) -> tuple[np.ndarray, np.ndarray]:
    """Indices for validation and training.

    Args:
        ranked: all of them by their places within their classes, so that any stretch has the proportions of the whole.
        folds: equal parts, to one example.
        fold: the one for validation.
        fraction: of the others that is used, beginning with the fold that follows.
        what: is split, for messages.

    Raises:
        ConfigError: there are more folds than examples.
    """
    if folds > len(ranked):
        raise ConfigError(f"data.folds={folds} are more than the {len(ranked)} {what}: lower it")
    parts = np.array_split(ranked, folds)
    others = np.concatenate([*parts[fold + 1 :], *parts[:fold]])
    return parts[fold], others[: round(fraction * len(others))]


def relative_rank(targets: np.ndarray) -> np.ndarray:
    """Each example's place within its class, from 0 to 1, [n] in float64.

    The middle of its slot, shifted by a class's share of one slot: over all classes the parts then have the
    sizes that the fractions ask for, to one example, instead of one example off in each class.
    """
    rank = np.empty(len(targets))
    classes = np.unique(targets)
    for number, label in enumerate(classes):
        members = np.flatnonzero(targets == label)
        shift = (number + 0.5) / len(classes)
        rank[members] = (np.arange(len(members)) + shift) / len(members)
    return rank
