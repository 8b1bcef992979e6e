"""Configs of a sweep's runs, composed once where they differ in plain values alone: 0.1 s a run.

Hydra reads all files and composes them anew for each run. A value that is set on the command line is set last, after
everything has been composed, so that it can be set in a copy of what was composed for another run.
"""

import copy
import pickle
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig

KEPT = 8  # compositions: runs that follow each other share theirs


class Loader(ConfigLoaderImpl):
    """Hydra's loader, as far as a sweep uses it."""

    def __init__(self, plain: Any) -> None:
        super().__init__(plain.get_search_path())
        # Pickled where they can be: a sixth of the time that a deep copy takes.
        self.composed: dict[tuple[str, ...], bytes | DictConfig] = {}
        self.of: DictConfig | None = None  # what they are of

    def __getstate__(self) -> dict[str, Any]:
        """Without what was composed, for another process."""
        return {**vars(self), "composed": {}, "of": None}

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """What Hydra's own gives."""
        if master_config.hydra.searchpath:  # which may have groups that this loader does not know
            return super().load_sweep_config(master_config, sweep_overrides)
        try:
            given = [parsed(word) for word in sweep_overrides]
            values = self.values(given)
            return self.with_values(master_config, given, values)
        except HydraException:  # of whose words it is, Hydra says, in their order
            return super().load_sweep_config(master_config, sweep_overrides)

    def values(self, given: Sequence[Override]) -> list[Override]:
        """The overrides that set a value, whatever the others do."""
        plain = [one for one in given if self.is_value(one)]
        others = [one.key_or_group for one in given if one not in plain]
        return [one for one in plain if not any(overlap(one.key_or_group, other) for other in others)]

    def is_value(self, one: Override) -> bool:
        """Whether an override sets one value, and chooses, adds or deletes nothing."""
        key = one.key_or_group
        return (
            one.type == OverrideType.CHANGE
            and one.package is None
            and not one.is_sweep_override()
            and not one.is_hydra_override()
            and not isinstance(one.value(), dict)
            and "/" not in key
            and not self.repository.group_exists(key)
        )

    def with_values(self, master: DictConfig, given: Sequence[Override], values: Sequence[Override]) -> DictConfig:
        """The config of a run: values in what the other overrides compose."""
        config = self.base(master, tuple(str(one.input_line) for one in given if one not in values))
        self._apply_overrides_to_config(list(values), config)
        own = [one for one in given if not one.is_hydra_override()]
        config.hydra.overrides.task = [one.input_line for one in own]
        config.hydra.job.override_dirname = get_overrides_dirname(own, **config.hydra.job.config.override_dirname)
        return config

    def base(self, master: DictConfig, words: tuple[str, ...]) -> DictConfig:
        """What is composed without values, the caller's own."""
        if master is not self.of:
            self.of = master
            self.composed.clear()
        if words not in self.composed:
            while len(self.composed) >= KEPT:
                del self.composed[next(iter(self.composed))]
            made: DictConfig = super().load_sweep_config(master, list(words))
            try:
                self.composed[words] = pickle.dumps(made)
            except pickle.PicklingError:  # joblib's: Hydra loads the class of its launcher's settings twice
                self.composed[words] = made
        kept = self.composed[words]
        config: DictConfig = pickle.loads(kept) if isinstance(kept, bytes) else copy.deepcopy(kept)  # noqa: S301 (own)
        return config


@lru_cache(1024)
def parsed(word: str) -> Override:
    """A word as Hydra reads it; most words of a sweep's runs are the same."""
    return OverridesParser.create().parse_override(word)


def overlap(one: str, other: str) -> bool:
    """Whether two keys are of the same setting, or one of them of a group of settings that the other is in."""
    short, long = sorted((one.split("."), other.split(".")), key=len)
    return long[: len(short)] == short


def composing_once(context: HydraContext) -> HydraContext:
    """The same with a loader that composes once."""
    return HydraContext(config_loader=Loader(context.config_loader), callbacks=context.callbacks)
