"""The configs of a sweep's runs: composed once for all that differ in no more than single values."""

import copy
from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf

# Settings in which many runs differ; none of them chooses a part of the config.
VALUES = (
    "seed", "optim.lr", "optim.weight_decay", "data.bootstrap", "data.fold", "data.split_seed", "data.weights.path",
    "task.init_seed", "task.init_skip", "model.weight", "model.bias", "model.start",
)  # fmt: skip


class Composing:
    """Composes the configs of jobs.

    Args:
        loader: Hydra's.
        config: the sweep's, without what varies.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self.loader, self.config = loader, config
        self.bases: dict[tuple[str, ...], DictConfig] = {}

    def of(self, job: Sequence[str]) -> DictConfig:
        """A job's config with Hydra's part, as Hydra composes it."""
        parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(list(job))
        key = tuple(each.key_or_group if is_value(each) else word for each, word in zip(parsed, job, strict=True))
        if key not in self.bases:
            self.bases[key] = self.loader.load_sweep_config(self.config, list(job))
        made = copy.deepcopy(self.bases[key])
        for each in filter(is_value, parsed):
            OmegaConf.update(made, each.key_or_group, each.value(), merge=True)
        made.hydra.overrides.task = [each.input_line for each in parsed if not each.is_hydra_override()]
        return made


def is_value(override: Override) -> bool:
    """Whether an override sets one of these values, and does no more."""
    return override.key_or_group in VALUES and override.package is None and override.type == OverrideType.CHANGE
