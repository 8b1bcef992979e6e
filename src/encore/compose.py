"""The door to Hydra: overrides become one plain, checked dict, or a message that says what to write."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from encore.accelerator import resolve
from encore.config import check
from encore.errors import ConfigError
from encore.help import CONFIGS

# What Hydra raises for a config that cannot be composed; ValueError for a group set to null.
MISTAKES = (HydraException, OmegaConfBaseException, ValueError)


# Options that have no file here.
OF_PLUGINS = {"hydra/launcher": ("basic", "joblib", "submitit_local", "submitit_slurm")}


def available_cores() -> int:
    """The threads that torch will use: OMP_NUM_THREADS, else the cores that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


OmegaConf.register_new_resolver("cores", available_cores, replace=True)


def config_from(overrides: Mapping[str, Any] | Iterable[str]) -> dict:
    """Compose configs/train.yaml with overrides, as on the command line or as a dict, into a checked dict."""
    return plain(composed(words(overrides)))


def words(overrides: Mapping[str, Any] | Iterable[str]) -> list[str]:
    """Overrides as Hydra writes them: `{"optim.lr": 0.1}` is `optim.lr=0.1`."""
    if isinstance(overrides, Mapping):
        return [f"{key}={literal(value)}" for key, value in overrides.items()]
    return list(overrides)


def literal(value: Any) -> str:
    """A plain value in Hydra's override grammar."""
    if value is None:
        return "null"
    if hasattr(value, "tolist"):  # NumPy's and torch's numbers and arrays
        value = value.tolist()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(literal, value)) + "]"
    if isinstance(value, int | float):
        return repr(value)
    if re.fullmatch(r"[A-Za-z_][\w./-]*", str(value)):
        return str(value)
    # In Hydra's quotes a backslash is itself, but before a quote it is an escape and has to be doubled.
    return "'" + re.sub(r"(\\+)(?='|$)", r"\1\1", str(value)).replace("'", "\\'") + "'"


def composed(overrides: list[str], with_hydra: bool = False) -> DictConfig:
    """The config that train.py would compose, with Hydra's own part or without."""
    with hydra_here():
        return compose("train", overrides=overrides, return_hydra_config=with_hydra)


@contextmanager
def hydra_here() -> Iterator[ConfigLoader]:
    """Hydra on configs/, in a process that already uses it, too; its errors explained."""
    previous = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            yield GlobalHydra.instance().config_loader()
    except MISTAKES as mistake:
        raise ConfigError(explain(mistake)) from mistake
    finally:
        if previous is not None:
            GlobalHydra.instance().initialize(previous)


def plain(cfg: DictConfig) -> dict:
    """The composed config as a resolved dict of plain values, checked."""
    try:
        resolved: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as mistake:
        raise ConfigError(explain(mistake)) from mistake
    check(resolved)
    # What it means here is part of what ran.
    resolved["trainer"]["accelerator"] = resolve(resolved["trainer"].get("accelerator", "auto"))
    return resolved


def explain(mistake: Exception) -> str:
    """What is wrong with a command line, and what may have been meant."""
    said = str(mistake)
    if match := re.search(r"Could not override '([^']+)'", said):
        wanted, groups = match[1], options(CONFIGS)
        add = "" if "." not in wanted else f"; to add one, write +{wanted}=…"
        return f"there is no setting {wanted}{suggestion(wanted, [*groups, *settings()])}{add}"
    if match := re.search(r"Could not (?:find|load) 'hydra/launcher/(joblib|submitit)(\w*)'", said):
        return f"hydra/launcher={match[1]}{match[2]} is not installed: uv pip install --editable '.[{match[1]}]'"
    if match := re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", said):
        group, option = match[1], match[2]
        choices = sorted({*options(CONFIGS / group), *OF_PLUGINS.get(group, ())})
        return f"there is no {group}={option}{suggestion(option, choices)}; choose from {', '.join(choices)}"
    if match := re.search(r"Missing mandatory value: (\S+)", said):
        return f"{match[1]} is not set: it has no default"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("full_key:", "object_type=", "See https", "^"))]
    return "\n".join(kept) or type(mistake).__name__


def options(folder: Path) -> list[str]:
    """The names of the configs and groups in a folder."""
    return sorted(path.stem for path in folder.iterdir()) if folder.is_dir() else []


def suggestion(word: str, choices: Iterable[str]) -> str:
    """`, did you mean …?` where a choice is near, else nothing."""
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def settings() -> list[str]:
    """Every setting of the default config, by its dotted path."""
    return list(paths(OmegaConf.to_container(composed([]), resolve=False)))


def paths(node: Any, prefix: str = "") -> Iterator[str]:
    """The dotted path of every key below a node."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from paths(value, f"{prefix}{key}.")
