"""The only place that turns recipes, plain dicts with a `_target_`, into live objects."""

import copy
import errno
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import FunctionType
from typing import Any

from hydra.utils import instantiate

from encore.config.suggestion import suggestion
from encore.errors import ConfigError, EncoreError

OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
USED = ("encore", "torch", "torchmetrics", "torchvision", "pytorch_lightning")
# What a constructor raises by which a setting is wrong; torch's say RuntimeError, and MemoryError comes of a size.
REFUSALS = (TypeError, ValueError, ImportError, ArithmeticError, LookupError, RuntimeError, MemoryError)


def build(recipe: dict, /, *args: Any, what: str, nested: bool = False, **kwargs: Any) -> Any:
    """Instantiate a recipe, without its `name`, which is for people and folders.

    Objects in `args` and `kwargs` reach the target as they are, never copied. With `nested`, recipes within the
    recipe are built first; otherwise they stay recipes, as a task's do.

    Raises:
        ConfigError: the target does not exist or rejects its settings; says `what` was being built.
    """
    try:
        return target_of(recipe, what, nested)(*args, **kwargs)
    except EncoreError:
        raise
    except Exception as problem:
        if not is_refusal(problem, recipe["_target_"]):
            raise
        raise ConfigError(
            f"cannot build {what} from {recipe['_target_']}: {complaint(problem, recipe, what)}"
        ) from problem


def is_refusal(problem: Exception, target: str) -> bool:
    """Whether an error is what a part says of its settings, and neither a bug of Encore's nor the disk's."""
    if isinstance(problem, OSError) and problem.errno in OF_THE_DISK:
        return False
    return isinstance(problem, REFUSALS) or not target.startswith("encore.")


def target_of(recipe: dict, what: str, nested: bool = False) -> Callable[..., Any]:
    """A recipe's target bound to its settings but not called yet; errors of the call are then its own.

    Raises:
        ConfigError: there is no such target.
    """
    settings = {key: value for key, value in recipe.items() if key != "name"}
    if "_target_" not in settings:
        raise ConfigError(f"{what} has settings but no _target_, so there is nothing to configure: {what}=null")
    given = {key: value for key, value in settings.items() if key != "_target_"}
    if (kind := known(settings["_target_"], given, nested)) is not None:
        return partial(kind, **copy.deepcopy(given))
    try:
        return instantiate({**settings, "_partial_": True}, _convert_="all", _recursive_=nested)
    except EncoreError:
        raise
    except Exception as problem:  # of nested recipes: Hydra wraps what their targets raise
        raise ConfigError(f"cannot build {what} from {settings['_target_']}: {root(problem)}") from problem


def known(target: Any, settings: dict, nested: bool) -> Callable[..., Any] | None:
    """The class of a package that every run uses, or Encore's function, whose settings are handed over as they are.

    Hydra asks of every target whether it may be called, and makes a config of its settings first: a millisecond each.
    """
    module, _, name = str(target).rpartition(".")
    package = module.partition(".")[0]
    if package not in USED or any(str(key).startswith("_") for key in settings):
        return None
    words = list(texts(settings, keys=nested))
    if "???" in words or "_target_" in words or any("${" in word for word in words):
        return None
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    ours = (type, FunctionType) if package == "encore" else type
    return kind if isinstance(kind, ours) and kind.__module__.partition(".")[0] == package else None


def texts(node: Any, keys: bool) -> Iterator[str]:
    """All texts in plain values; of dicts the keys as well if asked for."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        if keys:
            yield from map(str, node)
        node = list(node.values())
    for item in node if isinstance(node, list | tuple) else ():
        yield from texts(item, keys)


def build_all(recipes: dict[str, dict | None] | None, what: str) -> dict[str, Any]:
    """Instantiate the recipes in a dict; null removes one."""
    return {name: build(recipe, what=f"{what}.{name}") for name, recipe in (recipes or {}).items() if recipe}


def locate(target: str) -> Any:
    """The class or function that a `_target_` names."""
    module, _, attribute = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as problem:
        raise ConfigError(f"there is no {target}: {problem}") from problem


def takes(target: str, parameter: str) -> bool:
    return parameter in parameters(locate(target))


@cache
def parameters(target: Any) -> dict[str, inspect.Parameter]:
    """What a class or function takes by name; `**kwargs` alone takes nothing, unless a base class names them."""
    if not inspect.isclass(target):
        return named(target)
    found: dict[str, inspect.Parameter] = {}
    for kind in target.__mro__:
        if "__init__" in vars(kind):
            constructor = vars(kind)["__init__"]
            own = inspect.signature(constructor).parameters.values()
            found = {**named(constructor), **found}
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
                break
    found.pop("self", None)
    return found


def named(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """A function's parameters that can be given by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    given = inspect.signature(function).parameters
    return {name: parameter for name, parameter in given.items() if parameter.kind in by_name}


def complaint(problem: Exception, recipe: dict, what: str) -> str:
    """What a target says about its settings, with the full path of the one that it names."""
    said = root(problem)
    if isinstance(problem, ValueError) and said.partition(" ")[0] in recipe:
        return f"{what}.{said}"
    if match := re.search(r"got an unexpected keyword argument '(\w+)'", said):
        known = inspect.signature(locate(recipe["_target_"])).parameters
        return f"{what} has no setting {match[1]}{suggestion(match[1], known)}"
    return said if isinstance(problem, REFUSALS) else f"{type(problem).__name__}: {said}"


def root(problem: BaseException) -> str:
    """The root cause of an error in one line: Hydra wraps it in its own."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    return " ".join(str(problem).split()) or type(problem).__name__
