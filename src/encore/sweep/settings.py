"""What a sweep is told beside its values: `hydra.sweeper`."""

from dataclasses import dataclass, fields
from typing import Any

from omegaconf import OmegaConf

from encore.compose import suggestion
from encore.config import Rule, integer, list_of, optional, show, text
from encore.errors import ConfigError

SAMPLERS = {
    # Bergstra et al. 2011: new trials where good ones were, after ten at random
    "tpe": {"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 10},
    "random": {"_target_": "optuna.samplers.RandomSampler"},
}
PRUNERS = {
    # ends what is behind the median of the trials before at the same epoch
    "median": {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 5},
}
RULES: dict[str, Rule] = {
    "by": optional(list_of(text)),
    "metric": text,
    "trials": integer(1),
    "seed": integer(0),
    "parallel": integer(1),
    "storage": optional(text),
}


@dataclass(frozen=True)
class Settings:
    """The settings of `configs/hydra/sweeper/encore.yaml`, which says what they are; recipes as plain dicts."""

    params: dict[str, str]
    by: list[str] | None
    metric: str
    sampler: dict[str, Any] | None
    trials: int
    seed: int
    parallel: int
    pruner: dict[str, Any] | None
    storage: str | None

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Settings":
        """Checked settings.

        Raises:
            ConfigError: everything that is wrong with them.
        """
        plain: dict[str, Any] = {
            name: OmegaConf.to_object(value) if OmegaConf.is_config(value) else value for name, value in given.items()
        }
        names = {field.name for field in fields(cls)}
        unknown = sorted(plain.keys() - names)
        problems = [f"there is no setting hydra.sweeper.{name}{suggestion(name, names)}" for name in unknown]
        for name, rule in RULES.items():
            if problem := rule(plain[name]):
                problems.append(f"hydra.sweeper.{name}={show(plain[name])}: {problem}")
        for name, known in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            recipe = plain[name]
            if isinstance(recipe, str):
                plain[name] = recipe = known.get(recipe, recipe)
            if recipe is not None and not (isinstance(recipe, dict) and "_target_" in recipe):
                choices = ", ".join(known)
                problems.append(f"hydra.sweeper.{name}={show(recipe)}: must be {choices}, null, or a recipe's _target_")
        if problems:
            raise ConfigError("\n".join(problems))
        return cls(**plain)
