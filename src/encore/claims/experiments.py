"""Experiments that claim something, and their configs."""

from typing import Any

import yaml

from encore.claims import claim
from encore.compose import config_from
from encore.errors import ConfigError
from encore.help import CONFIGS


def recipe(name: str, **settings: int) -> dict:
    """An experiment's config, with some settings changed; its claims are sound.

    Raises:
        ConfigError: it cannot be composed, or claims what no run of it could have.
    """
    try:
        cfg = config_from({"experiment": name, **settings})
        if problems := claim.problems(cfg):
            raise ConfigError("\n".join(problems))
    except ConfigError as problem:
        raise ConfigError(f"experiment={name}: {problem}") from problem
    return cfg


def claiming() -> list[str]:
    """The experiments that claim something, themselves or by one that they build on."""
    return [name for name in sorted(file.stem for file in (CONFIGS / "experiment").glob("*.yaml")) if claims_of(name)]


def claims_of(name: str) -> Any:
    """What an experiment claims, read without composing it.

    Raises:
        ConfigError: it cannot be read.
    """
    file = CONFIGS / "experiment" / f"{name}.yaml"
    try:
        held = yaml.safe_load(file.read_bytes()) or {}
        if "claims" in held:
            return held["claims"]
        parents = [each for each in held.get("defaults", []) if isinstance(each, str) and each != "_self_"]
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as problem:
        raise ConfigError(f"{file} cannot be read: {problem}") from problem
    return next((claims for parent in reversed(parents) if (claims := claims_of(parent))), None)
