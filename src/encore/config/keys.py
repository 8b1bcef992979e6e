"""Settings that nothing reads: they are refused rather than ignored."""

import re
from collections.abc import Iterator
from typing import Any

from encore.config.facts import encores_data
from encore.config.recipe_checks import unknown_settings
from encore.config.settings import CLOSED, DATA_RULES, GROUPS_OF_PARTS, OUR_SETTINGS, PARTS, RULES
from encore.config.signature import signature
from encore.config.suggestion import suggestion

TRAINER = "pytorch_lightning.Trainer"


def unread(cfg: dict, referred: set[str]) -> Iterator[str]:
    """Settings that neither the engine nor a part takes, and that no interpolation refers to."""
    yield from of_node("", cfg, referred)
    for node in CLOSED:
        if node != "data" or encores_data(cfg):
            yield from of_node(node, cfg.get(node), referred)
    for node in PARTS:
        yield from without_target(node, cfg.get(node))
    yield from of_trainer(cfg["trainer"])
    yield from unknown_settings(cfg)


def of_node(node: str, settings: Any, referred: set[str]) -> Iterator[str]:
    """Keys without a rule in one of the engine's nodes, or at the top."""
    before = f"{node}." if node else ""
    known = {path.removeprefix(before).split(".")[0] for path in (*RULES, *DATA_RULES) if path.startswith(before)}
    known |= {"_target_"} if node else {*PARTS, *GROUPS_OF_PARTS}
    for key in settings if isinstance(settings, dict) else ():
        path = f"{before}{key}"
        if key not in known and not any(each == path or each.startswith((f"{path}.", f"{path}[")) for each in referred):
            free = "" if node else f"; values of your own go under vars, as in +vars.{key}=…, for ${{vars.{key}}}"
            yield f"there is no setting {path}{suggestion(str(key), known)}{free}"


def without_target(node: str, settings: Any) -> Iterator[str]:
    """Settings of a part that does not exist."""
    if isinstance(settings, dict) and "_target_" not in settings:
        for key in sorted(settings.keys() - {"name"}, key=str):
            yield f"there is no setting {node}.{key}: {node} has no _target_ that could take it"


def of_trainer(settings: dict) -> Iterator[str]:
    """Settings that neither Lightning's Trainer nor Encore has."""
    ruled = {path.removeprefix("trainer.") for path in RULES if path.startswith("trainer.")}
    known = signature(TRAINER) if settings.keys() - ruled else None
    choices = {*OUR_SETTINGS, *known.parameters} if known else settings.keys()
    for key in sorted(settings.keys() - choices, key=str):
        yield f"trainer: {TRAINER} has no setting {key}{suggestion(key, choices)}"


def references(node: Any, above: tuple[str, ...] = ()) -> Iterator[str]:
    """The dotted paths that the interpolations of an unresolved config refer to."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from references(value, (*above, str(key)))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from references(value, (*above, str(place)))
    elif isinstance(node, str):
        for dots, path in re.findall(r"\$\{(?:oc\.select:)?\s*(\.*)([\w.\[\]-]+)", node):
            yield ".".join([*above[: len(above) - len(dots)], path]) if dots else path
