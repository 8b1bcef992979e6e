"""The fingerprint: a hash of what determines a run's result, found without importing torch."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from encore.config.defaults import COSMETIC, OF_USE, VIEW_NAMES, Differences
from encore.config.facts import encores_data, encores_task
from encore.provenance.closure import CORE, DOTTED, Closure, closure
from encore.provenance.contents import by_content, check_readable
from encore.provenance.variables import counted

VIEWS = "encore.callbacks.views."  # where callbacks are that only show a run

# Callbacks whose behaviour does not depend on the run's length.
SAME_AT_ANY_LENGTH = {
    "encore.callbacks.learning_rate.LearningRate", "encore.callbacks.norms.Norms",
    "encore.callbacks.progress.Progress", "encore.callbacks.checkpoints.Checkpoints",
    "pytorch_lightning.callbacks.EarlyStopping", "pytorch_lightning.callbacks.LearningRateMonitor",
    "pytorch_lightning.callbacks.DeviceStatsMonitor",
}  # fmt: skip
# Parts that may use the run's length without the config showing it, unless they are the engine's.
SEES_LENGTH = {"task": "encore.tasks.", "data": "encore.data."}


@dataclass(frozen=True)
class Identity:
    """What tells a run from all others.

    Attributes:
        mark: its fingerprint.
        code: the code that computes it.
        differences: of its config from the defaults, by which it is named.
        config: the part of its config that the fingerprint is of.
    """

    mark: str
    code: Closure
    differences: Differences
    config: dict


def identity(cfg: dict) -> Identity:
    """A config's fingerprint with the code that it is of, which takes most of its time."""
    config, code = essential(cfg), code_of(cfg)
    return Identity(mark(config, code.digests, code.packages, counted(cfg)), code, Differences.of(cfg), config)


def fingerprint(cfg: dict) -> str:
    """The hash that names a run: of its config, and of the code, packages and variables that compute it."""
    return identity(cfg).mark


def mark(config: dict, code: dict[str, str], packages: dict[str, str], variables: dict[str, str]) -> str:
    """The hash of an essential config, and of the code, packages and variables that compute it."""
    whole = {"config": config, "code": code, "packages": packages}
    if variables:
        whole["variables"] = variables
    return hash_of(whole)


def lineage(cfg: dict, known: Identity | None = None) -> str | None:
    """A hash shared by runs that differ only in length; None if the length changes a run's course.

    With a schedule that spans the whole run (`auto`), a longer run differs from its first step on. An unknown callback,
    task or data module may have the same effect, through the number of epochs or what it does at the end.
    """
    if "auto" in (cfg.get("scheduler") or {}).values() or cfg["trainer"].get("max_steps", -1) != -1:
        return None
    watching = (recipe["_target_"] for recipe in (cfg["callbacks"] or {}).values() if recipe)
    if not {target for target in watching if not target.startswith(VIEWS)} <= SAME_AT_ANY_LENGTH:
        return None
    if not all(str(cfg[part].get("_target_", ours)).startswith(ours) for part, ours in SEES_LENGTH.items()):
        return None
    known = known or identity(cfg)
    trainer = {name: value for name, value in known.config["trainer"].items() if name != "max_epochs"}
    return mark({**known.config, "trainer": trainer}, known.code.digests, known.code.packages, counted(cfg))


def essential(cfg: dict) -> dict:
    """The config without what changes no bit of the result, and with the contents of files that it names.

    Raises:
        InputError: a setting names what cannot be read to its end.
    """
    kept = computing(cfg)
    check_readable(kept)
    return by_content(kept)


def computing(cfg: dict) -> dict:
    """The config without settings that change no bit of the result."""
    kept = dict(cfg)
    of_use = [path for path in OF_USE if not (path == "data.classes" and chooses_by_name(cfg["data"]))]
    for path in (*COSMETIC, *(of_use if encores_data(cfg) else ()), *unused(cfg)):
        *parents, last = path.split(".")
        node: Any = kept
        for key in parents:
            if not node.get(key):
                node = {}
                break
            node[key] = node = dict(node[key])
        node.pop(last, None)
    return kept


def chooses_by_name(data: dict) -> bool:
    """Whether `data.keep` names a class of `data.classes`, whose order then decides which examples are left out."""
    names = {str(name) for name in data.get("classes") or ()}
    return not names.isdisjoint(data.get("keep") or ())


def unused(cfg: dict) -> Iterator[str]:
    """Settings at the value with which they do nothing, as in a run from before there were any; and views."""
    for name, recipe in (cfg.get("callbacks") or {}).items():
        if (not recipe and name in VIEW_NAMES) or (recipe and str(recipe.get("_target_")).startswith(VIEWS)):
            yield f"callbacks.{name}"
    task, data = cfg.get("task") or {}, cfg.get("data") or {}
    if cfg.get("population") is None:
        yield "population"
    if cfg.get("init_from") is None:
        yield from ("init_from", "fine_tune")
    if cfg.get("continue_from") is None:
        yield "continue_from"
    if not (cfg.get("optim") or {}).get("lr_factors"):
        yield "optim.lr_factors"
    if data.get("normalize_targets") == "none":
        yield "data.normalize_targets"
    if data.get("sampling") == "uniform":
        yield "data.sampling"
    if not data.get("keep"):
        yield "data.keep"
    if encores_task(cfg):
        if task.get("loss") == "mse":
            yield "task.loss"
        if not (task.get("penalty") or {}).get("weight"):
            yield "task.penalty"
        if task.get("class_weights") is None:
            yield "task.class_weights"
        if not task.get("focal_gamma"):
            yield "task.focal_gamma"


def code_of(cfg: dict) -> Closure:
    """The code that computes a run, followed from the engine's core and from what the config names or declares.

    Raises:
        ConfigError: `code` declares what is not there.
    """
    kept = computing(cfg)
    declared = kept.pop("code", None) or []
    return closure([CORE, *names(kept)], declared)


def names(node: Any) -> Iterator[str]:
    """Every text in a config that looks like the dotted name of a module, class or function."""
    if isinstance(node, dict):
        for value in node.values():
            yield from names(value)
    elif isinstance(node, list):
        for value in node:
            yield from names(value)
    elif isinstance(node, str) and DOTTED.fullmatch(node):
        yield node


def targets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


def hash_of(value: Any) -> str:
    """SHA-256 of plain values; the order of keys does not matter."""
    try:
        text = json.dumps(value, sort_keys=True, default=str)
    except TypeError:  # numbers and texts as the keys of one dict
        text = json.dumps(json.loads(json.dumps(value, default=str)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
