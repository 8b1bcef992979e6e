"""Values in Hydra's grammar, and every combination of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from encore.config.words import literal, word_for_hydra
from encore.errors import ConfigError

Job = Sequence[str]  # the overrides of one run


def parsed(loader: ConfigLoader, words: Sequence[str]) -> list[Override]:
    """Overrides in Hydra's grammar; of two for one setting, the last wins."""
    parser = OverridesParser.create(config_loader=loader)
    return list({each.get_key_element(): each for each in parser.parse_overrides(list(words))}.values())


def combinations(overrides: Sequence[Override]) -> Sequence[Job]:
    """Every combination of the values, each once.

    Raises:
        ConfigError: a value cannot be part of a grid.
    """
    if endless := [each.input_line for each in overrides if each.is_interval_sweep()]:
        raise ConfigError(f"{', '.join(map(str, endless))}: hydra.sweeper.sampler=tpe searches an interval")
    split = BasicSweeper.split_arguments(list(overrides), None)[0]
    jobs = list(dict.fromkeys(tuple(map(word_for_hydra, job)) for job in split))
    if not jobs:
        raise ConfigError("the sweep has no runs: a range has no values")
    return jobs


def axes(params: Mapping[str, Any]) -> list[str]:
    """The overrides in a sweep file's `hydra.sweeper.params`, as on the command line."""
    return [f"{key}={value if isinstance(value, str) else literal(value)}" for key, value in params.items()]


def varying(jobs: Sequence[Job]) -> list[Job]:
    """For each run, the overrides that are not the same in all runs."""
    common = set(jobs[0]).intersection(*jobs[1:]) if len(jobs) > 1 else set()
    return [[word for word in job if word not in common] for job in jobs]
