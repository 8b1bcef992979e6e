"""The fingerprint: a hash of what determines a run's result, found without importing torch."""

import copy
import hashlib
import importlib.util
import json
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from encore.data.files import by_content
from encore.record.files import sha256

# Settings that say where a run lives or how it is shown, and change no bit of its result.
COSMETIC = (
    "runs_dir",
    "data_dir",
    "fresh",
    "steps_per_execution",
    "logger",
    "claims",
    "callbacks.progress",
    "callbacks.checkpoint.every_n_steps",
    "callbacks.checkpoint.every_n_minutes",
    "callbacks.checkpoint.min_seconds_between",
    "data.num_workers",
    "data.resident",
    "trainer.profile",
)
PACKAGES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "numpy", "scikit-learn")
# What of src/encore changes no bit of a result: parts that only count where a config uses them, and what shows,
# describes or compares runs.
NOT_CORE = (
    "benchmark/", "claims/", "cross_validation/", "ensembles/", "models/", "pictures/", "results/", "sharpness/",
    "sweep/", "command.py", "help.py", "reopened.py", "trust.py", "callbacks/progress.py",
    *(f"record/{name}.py" for name in (
        "clock", "environment", "git", "graph", "manifest", "profile", "rebuild", "source", "summary", "terminal",
        "verification",
    )),
)  # fmt: skip

# Callbacks that do the same however long the run is.
SAME_AT_ANY_LENGTH = {
    "encore.callbacks.monitors.LearningRate", "encore.callbacks.monitors.Norms", "encore.callbacks.progress.Progress",
    "encore.record.checkpoints.Checkpoints", "pytorch_lightning.callbacks.EarlyStopping",
    "pytorch_lightning.callbacks.LearningRateMonitor", "pytorch_lightning.callbacks.DeviceStatsMonitor",
}  # fmt: skip

SOURCE = Path(__file__).parent


def fingerprint(cfg: dict) -> str:
    """The hash that names a run: of its config, the code that computes it and the packages it computes with."""
    config = essential(cfg)
    return hash_of({"config": config, "code": code(config), "packages": packages()})


def lineage(cfg: dict) -> str | None:
    """The hash that a run shares with the same run of another length; None where the length changes its course.

    A schedule that spreads over the whole run (`auto`) makes a longer run another one from its first step, and so
    may a callback that is not known here, by what it does at the end or with the number of epochs.
    """
    if "auto" in (cfg.get("scheduler") or {}).values() or cfg["trainer"].get("max_steps", -1) != -1:
        return None
    if not {recipe["_target_"] for recipe in (cfg["callbacks"] or {}).values() if recipe} <= SAME_AT_ANY_LENGTH:
        return None
    shared = copy.deepcopy(cfg)
    del shared["trainer"]["max_epochs"]
    return fingerprint(shared)


def essential(cfg: dict) -> dict:
    """The config without what changes no bit of the result, and with the data that it names."""
    kept = copy.deepcopy(cfg)
    for path in COSMETIC:
        *parents, last = path.split(".")
        node: Any = kept
        for key in parents:
            node = node.get(key) or {}
        node.pop(last, None)
    kept["data"] = by_content(kept["data"])
    return kept


def code(cfg: dict) -> dict[str, str]:
    """The digest of each source file that computes: Encore's core, and the modules that the config names."""
    return {name: sha256(file) for name, file in source_files(cfg).items()}


def source_files(cfg: dict) -> dict[str, Path]:
    """The source files that compute, by their place in Encore or by the `_target_` that names them."""
    core = {name: file for name, file in package_files().items() if not name.startswith(NOT_CORE)}
    return core | {target: file for target in targets(cfg) if (file := module_file(target))}


def package_files() -> dict[str, Path]:
    """All of Encore's source files, by their place in it."""
    return {file.relative_to(SOURCE).as_posix(): file for file in SOURCE.rglob("*.py")}


def packages() -> dict[str, str]:
    """The versions of the packages that compute."""
    return {package: metadata.version(package) for package in PACKAGES}


def targets(node: Any) -> Iterator[str]:
    """Every `_target_` in a config."""
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


def module_file(target: str) -> Path | None:
    """The source file of a `_target_` of this project or its user; None for an installed package's."""
    top, *rest = target.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not spec.origin or re.search(r"site-packages|dist-packages", spec.origin):
        return None
    place = Path(spec.origin)
    for part in rest:
        if place.name == "__init__.py" and (place.parent / f"{part}.py").is_file():
            place = place.parent / f"{part}.py"
        elif place.name == "__init__.py" and (place.parent / part / "__init__.py").is_file():
            place = place.parent / part / "__init__.py"
    return place if place.suffix == ".py" else None


def hash_of(value: Any) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
