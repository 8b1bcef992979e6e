"""The one place that turns recipes, plain dicts with a `_target_`, into live objects."""

import importlib
import inspect
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from encore.errors import ConfigError


def build(recipe: dict, *args: Any, what: str, **kwargs: Any) -> Any:
    """Instantiate a recipe; its `name` is for people and folders and is left out.

    Objects in `args` and `kwargs` reach the target as they are, never copied.

    Raises:
        ConfigError: the target does not exist or rejects its settings; says `what` was being built.
    """
    try:
        settings = {key: value for key, value in recipe.items() if key != "name"}
        target = instantiate({**settings, "_partial_": True}, _convert_="all", _recursive_=False)
        return target(*args, **kwargs)
    except (InstantiationException, TypeError, ValueError, ImportError) as problem:
        raise ConfigError(f"cannot build {what} from {recipe.get('_target_')}: {root(problem)}") from problem


def build_all(recipes: dict[str, dict | None] | None, what: str) -> dict[str, Any]:
    """Instantiate the recipes of a dict; one set to null has been taken away."""
    return {name: build(recipe, what=f"{what}.{name}") for name, recipe in (recipes or {}).items() if recipe}


def locate(target: str) -> Any:
    """The class or function that a `_target_` names, without calling it."""
    module, _, attribute = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as problem:
        raise ConfigError(f"there is no {target}: {problem}") from problem


def takes(target: str, parameter: str) -> bool:
    """Whether a target has a parameter of that name."""
    return parameter in inspect.signature(locate(target)).parameters


def root(problem: BaseException) -> str:
    """The first cause of an error, in one line: Hydra wraps it in its own."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    return " ".join(str(problem).split()) or type(problem).__name__
