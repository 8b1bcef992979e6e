"""The one place that turns recipes, plain dicts with a `_target_`, into live objects."""

import importlib
import inspect
from collections.abc import Callable
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
        return target_of(recipe, what)(*args, **kwargs)
    except (TypeError, ValueError, ImportError, ArithmeticError, LookupError) as problem:
        raise ConfigError(f"cannot build {what} from {recipe['_target_']}: {root(problem)}") from problem


def target_of(recipe: dict, what: str) -> Callable[..., Any]:
    """A recipe's target with its settings, not called yet; its errors are then its own.

    Raises:
        ConfigError: there is no such target.
    """
    settings = {key: value for key, value in recipe.items() if key != "name"}
    if "_target_" not in settings:
        raise ConfigError(f"{what} has settings but no _target_, so it is not there to be changed: {what}=null")
    try:
        return instantiate({**settings, "_partial_": True}, _convert_="all", _recursive_=False)
    except (InstantiationException, TypeError, ValueError, ImportError) as problem:
        raise ConfigError(f"cannot build {what} from {settings['_target_']}: {root(problem)}") from problem


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
