"""Where a search looks: Hydra's sweeps as Optuna's distributions."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from encore.errors import ConfigError

Space = dict[str, BaseDistribution]


def space_of(overrides: Sequence[Override]) -> Space:
    """The distribution of each override that has several values.

    Raises:
        ConfigError: there are none, or one cannot be searched.
    """
    space = {each.get_key_element(): distribution(each) for each in overrides if each.is_sweep_override()}
    if not space:
        raise ConfigError("a search has to be told where to look, such as 'optim.lr=tag(log, interval(1e-4, 1e-1))'")
    return space


def distribution(override: Override) -> BaseDistribution:
    """An interval's numbers, a range's, or what there is to choose from, as the words that choose it."""
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
    """Whole numbers where both ends are."""
    whole = isinstance(low, int) and isinstance(high, int)
    return IntDistribution(low, high, **settings) if whole else FloatDistribution(low, high, **settings)


def words(params: Mapping[str, Any]) -> list[str]:
    """A trial's overrides."""
    return [f"{key}={value}" for key, value in params.items()]


def shown(params: Mapping[str, Any]) -> list[str]:
    """The same, to look at."""
    return words({key: f"{value:.4g}" if isinstance(value, float) else value for key, value in params.items()})
