"""What is wrong with the recipes in a config, according to their targets' sources; nothing is imported."""

from collections.abc import Container, Iterator
from typing import Any

from encore.config.annotations import rule_of
from encore.config.facts import DATA_MODULE
from encore.config.guards import refusals
from encore.config.refusal import refused
from encore.config.settings import DATA_RULES, ENGINE_KEYS
from encore.config.signature import Signature, signature
from encore.config.suggestion import suggestion

# Whose annotations say what a value must be.
TYPED = ("encore.", "torch.optim.", "torchmetrics.", "pytorch_lightning.callbacks.")
# What the engine gives Encore's tasks: a recipe cannot.
GIVEN_TO_TASKS = {
    "net": "model",
    "optim": "optim",
    "scheduler": "scheduler",
    "augment": "augment",
    "seed": "seed",
}


def recipes(node: Any, path: str = "") -> Iterator[tuple[str, dict]]:
    """Every recipe in a config, including nested ones, with its dotted path."""
    if isinstance(node, dict):
        if path and isinstance(node.get("_target_"), str):
            yield path, node
        for key, value in node.items():
            yield from recipes(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from recipes(value, f"{path}[{place}]")


def unknown_settings(cfg: dict) -> Iterator[str]:
    """Settings that the targets of a config's recipes do not take."""
    for path, recipe in recipes(cfg):
        target = recipe["_target_"]
        known = signature(target)
        if known is None or target == DATA_MODULE or "_args_" in recipe:
            continue
        given = GIVEN_TO_TASKS if path == "task" and target.startswith("encore.") else {}
        choices = known.parameters.keys() - given.keys()
        for key in settings_of(path, recipe):
            if key in given:
                yield f"{path}.{key} is not set here: {given[key]} sets it"
            elif key not in known.parameters and not known.open:
                yield f"{path}: {target} has no setting {key}{suggestion(key, choices)}"


def refused_values(cfg: dict, but: Container[str] = ()) -> Iterator[str]:
    """Values that the constructors of a config's recipes refuse, and those of another type than those of `TYPED` say.

    Args:
        cfg: the config.
        but: the paths of recipes of which something wrong is known already.
    """
    for path, recipe in recipes(cfg):
        known = None if path in but else signature(recipe["_target_"])
        if known is None or recipe["_target_"] == DATA_MODULE or "_args_" in recipe:
            continue
        values = {
            key: value for key, value in settings_of(path, recipe).items() if value not in ("???", "auto")
        }  # `auto` is put in by the engine
        mistyped = list(of_other_types(path, values, known)) if recipe["_target_"].startswith(TYPED) else []
        yield from mistyped or (naming(path, said, known) for said in refusals(known, values))


def settings_of(path: str, recipe: dict) -> dict[str, Any]:
    """The settings of a recipe that reach its target."""
    ours = {"name", *ENGINE_KEYS.get(path, ())}
    if path == "data":  # another DataModule takes from them what it wants
        ours |= {key.split(".")[1] for key in DATA_RULES} | {"num_labels"}  # which a model may refer to
    return {key: value for key, value in recipe.items() if key not in ours and not str(key).startswith("_")}


def of_other_types(path: str, values: dict[str, Any], known: Signature) -> Iterator[str]:
    """Values that do not match the type of their argument."""
    for key, value in values.items():
        rule = rule_of(known.parameters[key]) if key in known.parameters else None
        if rule is not None and (problem := rule(value)):
            yield refused(f"{path}.{key}", value, problem)


def naming(path: str, said: str, known: Signature) -> str:
    """A constructor's message, with the setting's full path if it begins with an argument's name."""
    first = said.partition(" ")[0]
    return f"{path}.{said}" if first in known.parameters else f"{path}: {said}"
