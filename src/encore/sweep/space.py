"""The search space: Hydra's sweeps as Optuna's distributions."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from encore.config.words import word_for_hydra
from encore.errors import ConfigError

Space = dict[str, BaseDistribution]


def space_of(overrides: Sequence[Override]) -> Space:
    """The distribution of each override that has several values.

    Raises:
        ConfigError: there is none, or one cannot be searched.
    """
    space = {each.get_key_element(): distribution(each) for each in overrides if each.is_sweep_override()}
    if not space:
        raise ConfigError("a search needs a search space, such as 'optim.lr=tag(log, interval(1e-4, 1e-1))'")
    return space


def distribution(override: Override) -> BaseDistribution:
    """The numbers of an interval or a range, or the choices, as override texts."""
    sweep: Any = override.value()
    try:
        if isinstance(sweep, IntervalSweep):
            return numbers(sweep.start, sweep.end, log="log" in sweep.tags)
        if isinstance(sweep, RangeSweep):
            values = list(sweep.range())
            return numbers(min(values), max(values), step=abs(sweep.step))
        return CategoricalDistribution(list(dict.fromkeys(override.sweep_string_iterator())))
    except (ValueError, HydraException) as problem:
        raise ConfigError(f"{override.input_line}: cannot be searched: {problem}") from problem


def numbers(low: Any, high: Any, **settings: Any) -> BaseDistribution:
    """Whole numbers where both ends are.

    Raises:
        ValueError: an end is no finite number, or they are the wrong way round.
    """
    if not all(math.isfinite(end) for end in (low, high)):
        raise ValueError(f"from {low} to {high} has no end; both must be finite numbers")
    whole = isinstance(low, int) and isinstance(high, int)
    return IntDistribution(low, high, **settings) if whole else FloatDistribution(low, high, **settings)


def words(params: Mapping[str, Any]) -> list[str]:
    """A trial's overrides."""
    return [word_for_hydra(f"{key}={value}") for key, value in params.items()]


def shown(params: Mapping[str, Any]) -> list[str]:
    """A trial's overrides for display."""
    return words({key: f"{value:.4g}" if isinstance(value, float) else value for key, value in params.items()})
