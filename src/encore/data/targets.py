"""Targets that are numbers: how many an example has, and their normalisation."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from encore.data.contract import Source
from encore.data.named.loader import Values
from encore.data.named.named_source import NamedSource
from encore.data.normalize import Affine, fit
from encore.errors import ConfigError, InputError


class Numbers:
    """A source's targets, for the normalisation to read."""

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets

    def read(self, indices: Sequence[int]) -> Tensor:
        return self.targets[list(indices)]


def fit_targets(recipe: dict, source: Source, train: Tensor) -> Affine | None:
    """Fit `data.normalize_targets` on the training examples, a column at a time; None where it is `none`.

    Raises:
        ConfigError: the targets are not one array of floats.
    """
    norm = recipe.get("normalize_targets", "none")
    if norm == "none":
        return None
    setting = "data.normalize_targets"
    values = numbers_of(source)
    if values is None or not (example := values.read([0])).is_floating_point():
        raise ConfigError(f"{setting}={norm}: data={recipe['name']} does not have one array of floats as its target")
    return fit(norm, values, train, tuple(example.shape[1:]), setting)


def numbers_of(source: Source) -> Any:
    """A source's only target; None if there are none or several."""
    if not isinstance(source, NamedSource):
        return Numbers(source.targets)
    fields = [field for field in source.fields if field.is_target]
    return Values(source, fields[0]) if len(fields) == 1 and not fields[0].ragged else None


def check_number_of_targets(recipe: dict, source: Source) -> None:
    """Raise InputError if an example has another number of targets than `data.num_targets` says."""
    wanted = recipe.get("num_targets")
    if wanted is None:
        return
    values = numbers_of(source)
    found = list(values.read([0]).shape[1:]) if values is not None else None
    if found != [wanted]:
        has = "no single target" if found is None else f"targets of shape {found}"
        raise InputError(f"data={recipe['name']} has {has}, not data.num_targets={wanted} numbers an example")
