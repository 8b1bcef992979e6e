"""A sweep's settings apart from its values: `hydra.sweeper`."""

from dataclasses import dataclass, fields
from typing import Any

from omegaconf import OmegaConf

from encore.config.facts import show
from encore.config.rules import Rule, integer, list_of, optional, text
from encore.config.suggestion import suggestion
from encore.errors import ConfigError

# Samplers whose proposals depend only on finished trials and a seed; others keep state that Optuna does not store.
SAMPLERS = {
    "tpe": "optuna.samplers.TPESampler",  # proposes near good trials (Bergstra et al. 2011), after ten random ones
    "gp": "optuna.samplers.GPSampler",  # fits a Gaussian process, after ten random trials
    "random": "optuna.samplers.RandomSampler",
}
# Pruners that judge by the values of finished trials at the same epoch.
PRUNERS = {
    "median": "optuna.pruners.MedianPruner",  # ends trials behind the median, once five have finished
    "percentile": "optuna.pruners.PercentilePruner",
    "threshold": "optuna.pruners.ThresholdPruner",
}


def mapping(value: Any) -> str | None:
    """Settings by name."""
    return None if isinstance(value, dict) else "must be a mapping of settings, such as {optim.lr: [0.1, 0.01]}"


def recipe_of(value: Any, known: dict[str, str]) -> dict[str, Any] | None:
    """A recipe, given as a known name or with a known target; None for anything else."""
    recipe = {"_target_": known.get(value)} if isinstance(value, str) else value
    good = isinstance(recipe, dict) and recipe.get("_target_") in known.values()
    return recipe if good else None


RULES: dict[str, Rule] = {
    "params": mapping,
    "by": optional(list_of(text)),
    "metric": text,
    "trials": integer(1),
    "seed": integer(0),
    "parallel": integer(1),
    "storage": optional(text),
}


@dataclass(frozen=True)
class Settings:
    """The settings of `configs/hydra/sweeper/encore.yaml`, where they are explained; recipes are plain dicts."""

    params: dict[str, Any]
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
        """Check the settings.

        Raises:
            ConfigError: lists everything that is wrong.
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
            if (value := plain[name]) is not None and (recipe := recipe_of(value, known)) is None:
                problems.append(
                    f"hydra.sweeper.{name}={show(value)}: must be {', '.join(known)}, null, or a recipe whose _target_ "
                    f"is one of {', '.join(known.values())}"
                )
            elif value is not None:
                plain[name] = recipe
        if problems:
            raise ConfigError("\n".join(problems))
        return cls(**plain)
