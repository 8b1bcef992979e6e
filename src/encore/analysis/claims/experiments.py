"""Experiments with claims, and their configs."""

import pickle
from typing import Any

import yaml
from omegaconf import DictConfig

from encore.analysis.claims import claim
from encore.config import places
from encore.config.compose import composed, resolved
from encore.config.words import words
from encore.errors import ConfigError


def recipe(name: str, seed: int | None = None, kept: dict[str, bytes] | None = None) -> dict:
    """An experiment's config, its claims checked.

    Args:
        name: the experiment's.
        seed: in the place of its own.
        kept: what Hydra composed for it before, pickled: to compose takes 0.1 s, and a claim may have twenty seeds.

    Raises:
        ConfigError: it cannot be composed, or makes a claim that no run of it could meet.
    """
    kept = {} if kept is None else kept
    try:
        if name not in kept:
            kept[name] = pickle.dumps(composed(words({"experiment": name})))
        made: DictConfig = pickle.loads(kept[name])  # noqa: S301 (own)
        if seed is not None:
            made.seed = seed
        cfg = resolved(made)
        if problems := claim.problems(cfg):
            raise ConfigError("\n".join(problems))
    except ConfigError as problem:
        raise ConfigError(f"experiment={name}: {problem}") from problem
    return cfg


def claiming() -> list[str]:
    """The experiments with claims, their own or inherited: the user's, if there are any, else the engine's clone's.

    In a user's project `make claims` should not check the engine's examples.
    """
    for folders in (places.own(), places.every()):
        names = sorted({file.stem for folder in folders for file in (folder / "experiment").glob("*.yaml")})
        if found := [name for name in names if claims_of(name)]:
            return found
    return []


def claims_of(name: str) -> Any:
    """An experiment's claims, read without composing it.

    Raises:
        ConfigError: it cannot be read.
    """
    file = places.find(f"experiment/{name}") or places.engine() / "experiment" / f"{name}.yaml"
    try:
        held = yaml.safe_load(file.read_bytes()) or {}
        if "claims" in held:
            return held["claims"]
        parents = [each for each in held.get("defaults", []) if isinstance(each, str) and each != "_self_"]
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as problem:
        raise ConfigError(f"{file} cannot be read: {problem}") from problem
    return next((claims for parent in reversed(parents) if (claims := claims_of(parent))), None)
