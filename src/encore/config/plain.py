"""One way to write a value that can be written in several: a run asked for in other words is the same run."""

import ast
from pathlib import Path
from typing import Any

from encore.config.facts import encores_data, encores_task
from encore.config.recipe_checks import recipes
from encore.config.rules import schema_of
from encore.config.settings import DATA_RULES, RULES, TASK_RULES
from encore.config.signature import Parameter, signature

# Settings of a config's top that name folders.
FOLDERS = ("runs_dir", "data_dir")


def canonical(cfg: dict) -> None:
    """Write home folders in full, and whole numbers as floats where a setting is a float: 0 is 0.0 then."""
    for key, value in cfg.items():
        cfg[key] = at_home(value)
    ruled = RULES | (DATA_RULES if encores_data(cfg) else {}) | (TASK_RULES if encores_task(cfg) else {})
    for path, rule in ruled.items():
        if takes_float(schema_of(rule)):
            *parents, last = path.split(".")
            node: Any = cfg
            for key in parents:
                node = node.get(key) if isinstance(node, dict) else None
            if isinstance(node, dict) and last in node:
                node[last] = as_float(node[last])
    for _, recipe in recipes(cfg):
        known = signature(recipe["_target_"])
        for key, parameter in known.parameters.items() if known else ():
            if key in recipe and is_float(parameter):
                recipe[key] = as_float(recipe[key])


def at_home(value: Any) -> Any:
    """A value with `~/` at the beginning of its texts replaced by the home folder."""
    if isinstance(value, dict):
        return {key: at_home(item) for key, item in value.items()}
    if isinstance(value, list):
        return [at_home(item) for item in value]
    if isinstance(value, str) and value.startswith("~") and (value == "~" or "/" in value or "\\" in value):
        try:
            return str(Path(value).expanduser())
        except RuntimeError:  # of nobody here
            return value
    return value


def takes_float(schema: dict[str, Any]) -> bool:
    """Whether a rule's values are floats."""
    return any(one.get("type") == "number" for one in schema.get("anyOf", [schema]))


def is_float(parameter: Parameter) -> bool:
    """Whether an argument is a float, or several of them, and never an int, which could mean something else."""
    nodes = ast.walk(parameter.annotation) if parameter.annotation is not None else ()
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return "float" in names and not names & {"int", "bool", "Any", "object"}


def as_float(value: Any) -> Any:
    """A whole number, or those in a list or by name, as floats."""
    if isinstance(value, list):
        return [as_float(item) for item in value]
    if isinstance(value, dict):
        return {key: as_float(item) for key, item in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else value
