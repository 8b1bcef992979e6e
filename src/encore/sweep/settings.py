"""What a sweep is told beside its values: `hydra.sweeper`."""

from dataclasses import dataclass, fields
from typing import Any

from omegaconf import OmegaConf

from encore.compose import suggestion
from encore.config import show
from encore.errors import ConfigError
from encore.rules import Rule, integer, list_of, optional, text

# Those whose proposals follow from finished trials and a seed: others keep a state that Optuna does not store.
SAMPLERS = {
    "tpe": "optuna.samplers.TPESampler",  # new trials where good ones were (Bergstra et al. 2011), after ten at random
    "gp": "optuna.samplers.GPSampler",  # by a Gaussian process, after ten at random
    "random": "optuna.samplers.RandomSampler",
}
# Those that judge by the values of finished trials at the same epoch.
PRUNERS = {
    "median": "optuna.pruners.MedianPruner",  # ends what is behind the median, once five trials are finished
    "percentile": "optuna.pruners.PercentilePruner",
    "threshold": "optuna.pruners.ThresholdPruner",
}


def mapping(value: Any) -> str | None:
    """Settings by name."""
    return None if isinstance(value, dict) else "must have settings by name, such as {optim.lr: [0.1, 0.01]}"


def recipe_of(value: Any, known: dict[str, str]) -> dict[str, Any] | None:
    """A recipe, from one of the names or with one of their targets; None for anything else."""
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
    """The settings of `configs/hydra/sweeper/encore.yaml`, which says what they are; recipes as plain dicts."""

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
