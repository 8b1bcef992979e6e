"""What callbacks say of themselves in their classes (`encore.callbacks.contract`), read without importing them."""

import ast
from collections.abc import Iterator
from typing import Any

from encore.config.signature import DEEPEST, absolute, answered, defined, place_of, statements

# Of classes of others, by the ends of their places.
KNOWN: dict[str, dict[str, Any]] = {".WeightAveraging": {"averages_weights": True}}


def of_callbacks(cfg: dict, trait: str) -> dict[str, Any]:
    """The callbacks of a config that have a trait, with its value, by their names."""
    recipes = {name: recipe for name, recipe in (cfg["callbacks"] or {}).items() if isinstance(recipe, dict)}
    values = {name: value_of(str(recipe.get("_target_")), trait) for name, recipe in recipes.items()}
    return {name: value for name, value in values.items() if value}


def value_of(target: str, trait: str) -> Any:
    """A class's trait, its own or that of a base class; None if its source does not tell."""
    return answered((target, trait), lambda: found(target, trait))


def found(target: str, trait: str, deep: int = 0) -> Any:
    """The same, read from source files."""
    known = next((traits[trait] for end, traits in KNOWN.items() if target.endswith(end) and trait in traits), None)
    module, _, name = target.rpartition(".")
    if known is not None or not module or deep > DEEPEST:
        return known
    try:
        for statement in statements(module):
            if name not in defined(statement):
                continue
            if isinstance(statement, ast.ImportFrom):
                original = next(alias.name for alias in statement.names if name in (alias.asname, alias.name))
                return found(f"{absolute(module, statement)}.{original}", trait, deep + 1)
            if isinstance(statement, ast.ClassDef):
                bases = (place_of(module, base) for base in statement.bases)
                inherited = (found(base, trait, deep + 1) for base in bases if base)
                return next((value for value in (*written(statement, trait), *inherited) if value is not None), None)
    except (OSError, SyntaxError, ValueError, ImportError, AttributeError):
        return None
    return None


def written(made: ast.ClassDef, trait: str) -> Iterator[Any]:
    """The plain value that a class's body gives a name."""
    for statement in made.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and trait in defined(statement) and statement.value:
            yield ast.literal_eval(statement.value)


def against_averages(cfg: dict) -> Iterator[str]:
    """Two averages of the weights in one run: each swaps its own in for validation, and would average the other's."""
    names = list(of_callbacks(cfg, "averages_weights"))
    if len(names) > 1:
        yield (
            f"callbacks.{' and callbacks.'.join(names)} each put an average of the weights in for validation: keep one"
        )


def chosen_by(cfg: dict) -> dict[str, str]:
    """Settings that callbacks will choose, each with the callback's name."""
    return {setting: name for name, settings in of_callbacks(cfg, "chooses").items() for setting in settings}
