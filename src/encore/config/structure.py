"""The form of a config: which nodes hold settings by name, which hold recipes, and what a recipe looks like.

All other checks rely on it.
"""

import re
from collections.abc import Iterator
from typing import Any

from encore.config.facts import MISSING, encores_data, encores_task, look_up, show
from encore.config.settings import GROUPS_OF_PARTS, PARTS
from encore.errors import ConfigError

BY_NAME = ("data", "trainer", "monitor", "fine_tune", *PARTS)
DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
DEEPEST = 50  # levels of lists and settings within each other


def complete(cfg: dict) -> None:
    """Put in what a group is when it has been turned off: `callbacks=null`, `'augment=[]'`, `~scheduler`."""
    off: dict[str, dict] = {**{group: {} for group in GROUPS_OF_PARTS}, "scheduler": {"name": "none"}}
    for group, nothing in off.items():
        if cfg.get(group) is None or cfg[group] == []:
            cfg[group] = nothing


def check_depth(cfg: dict) -> None:
    """Raise ConfigError for values that are nested deeper than anything that writes or compares them can follow."""
    for name, value in cfg.items():
        if deeper(value, DEEPEST):
            raise ConfigError(f"{name}: a value is nested more than {DEEPEST} levels deep")


def deeper(node: Any, levels: int) -> bool:
    """Whether a node has more levels below it."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return bool(children) and (levels == 0 or any(deeper(child, levels - 1) for child in children))


def malformed(cfg: dict) -> list[str]:
    """What does not have the form of a config."""
    found = [
        f"{node}={show(cfg[node])}: must be settings by name, such as {{key: value}}"
        for node in BY_NAME
        if not isinstance(cfg.get(node, {}), dict)
    ]
    found += [problem for group in GROUPS_OF_PARTS for problem in of_group(group, cfg.get(group))]
    if not found and encores_task(cfg):
        found += of_group("task.metrics", look_up(cfg, "task.metrics"))
    if not found and encores_data(cfg):
        found += [
            f"data.{source}={show(recipe)}: must be a recipe, with a _target_"
            for source in ("train", "test")
            if isinstance(recipe := cfg.get("data", {}).get(source), dict) and "_target_" not in recipe
        ]
    found += of_targets({name: node for name, node in cfg.items() if name != "vars"})
    return found


def of_group(group: str, held: Any) -> Iterator[str]:
    """What is no recipe in a group of recipes by name."""
    if held is MISSING or held is None:
        return
    if not isinstance(held, dict):
        yield f"{group}={show(held)}: must be null, or recipes by name, such as {group}.NAME._target_=package.Class"
        return
    for name, recipe in held.items():
        if not (recipe is None or (isinstance(recipe, dict) and (not recipe or "_target_" in recipe))):
            yield f"{group}.{name}={show(recipe)}: must be a recipe, {{_target_: package.Class, …}}, or null"


def of_targets(node: Any, path: str = "") -> Iterator[str]:
    """Every `_target_` that cannot be the name of anything."""
    if isinstance(node, dict):
        for key, value in node.items():
            below = f"{path}.{key}" if path else str(key)
            if key != "_target_":
                yield from of_targets(value, below)
            elif (
                value != "???"
                and not (value is None and path == "data")
                and not (isinstance(value, str) and DOTTED.fullmatch(value))
            ):
                yield f"{below}={show(value)}: must be the dotted name of a class or function, such as torch.nn.ReLU"
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from of_targets(value, f"{path}[{place}]")
