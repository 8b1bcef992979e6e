"""The door to Hydra: overrides become one plain, checked dict, or a message that says what to write."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from encore.config import places
from encore.config.accelerator import resolve
from encore.config.check import check, check_data
from encore.config.cores import available_cores
from encore.config.defaults import parsed
from encore.config.facts import DATA_MODULE, MISSING
from encore.config.hints import hint, installing
from encore.config.init_from import checkpoints_of, weights_file
from encore.config.keys import TRAINER, references
from encore.config.launched import fit_to_launch, ranks_started
from encore.config.plain import canonical
from encore.config.settings import GROUPS_OF_PARTS
from encore.config.signature import signature
from encore.config.structure import check_depth, complete
from encore.config.suggestion import suggestion
from encore.config.trainer_checks import GIVEN
from encore.config.words import literal as literal
from encore.config.words import unreadable, words
from encore.errors import ConfigError

# What Hydra raises for a config that cannot be composed; ValueError for a group that is given a number.
MISTAKES = (HydraException, OmegaConfBaseException, ValueError, RecursionError)

# Options from plugins, which have no file here.
OF_PLUGINS = {"hydra/launcher": ("basic", "joblib", "submitit_local", "submitit_slurm")}


OmegaConf.register_new_resolver("cores", available_cores, replace=True)
OmegaConf.register_new_resolver("ranks", ranks_started, replace=True)
OmegaConf.register_new_resolver("prod", lambda numbers: math.prod(numbers), replace=True)


def config_from(overrides: Mapping[str, Any] | Iterable[str]) -> dict:
    """Compose train.yaml with overrides, as on the command line or as a dict, into a checked dict."""
    return resolved(composed(words(overrides)))


def composed(overrides: list[str], with_hydra: bool = False) -> DictConfig:
    """The config that train.py would compose, with or without Hydra's own part."""
    with hydra_here():
        return compose("train", overrides=overrides, return_hydra_config=with_hydra)


@contextmanager
def hydra_here() -> Iterator[ConfigLoader]:
    """Hydra with all config folders, even in a process that already uses Hydra; its errors explained."""
    previous = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(places.engine()), version_base="1.3"):
            yield GlobalHydra.instance().config_loader()
    except MISTAKES as mistake:
        raise ConfigError(explain(mistake)) from mistake
    finally:
        if previous is not None:
            GlobalHydra.instance().initialize(previous)


def with_data_from(overrides: Mapping[str, Any] | Iterable[str]) -> dict:
    """The same for commands that need no more of it than its data: what else is in it need not fit them."""
    values = plain_values(composed(words(overrides)))
    check_data(values)
    canonical(values)
    return values


def resolved(cfg: DictConfig) -> dict:
    """The composed config as a resolved, checked dict of plain values."""
    values = plain_values(cfg)
    check(values, set(references(OmegaConf.to_container(cfg, resolve=False))))
    fit_to_launch(values)
    canonical(values)
    if values.get("init_from") is not None:
        values["init_from"] = weights_file(values["init_from"], values["runs_dir"])
    if values.get("continue_from") is not None:
        values["continue_from"] = checkpoints_of(values["continue_from"], values["runs_dir"])
    # What it means here is part of what ran.
    values["trainer"]["accelerator"] = resolve(values["trainer"].get("accelerator", "auto"))
    return values


def plain_values(cfg: DictConfig) -> dict:
    """The composed config as a resolved dict of plain values."""
    try:
        values: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=False)
    except (OmegaConfBaseException, RecursionError) as mistake:
        raise ConfigError(explain(mistake)) from mistake
    check_depth(values)
    complete(values)
    name_parts(values)
    return values


def name_parts(cfg: dict) -> None:
    """Name unnamed parts after their class: a run's folder is named after them."""
    for part in ("data", "model", "optim"):
        recipe = cfg.get(part)
        if not isinstance(recipe, dict) or recipe.get("_target_") in (None, "???", DATA_MODULE):
            continue
        recipe.setdefault("name", str(recipe["_target_"]).rpartition(".")[2])


def explain(mistake: Exception) -> str:
    """What is wrong with a command line, and what may have been meant."""
    said = str(mistake)
    if isinstance(mistake, RecursionError):
        return "a value is nested too deeply to be read"
    if isinstance(mistake, OverrideParseException):
        return unreadable(mistake.override, lines_of(said)[-1])
    if match := re.search(r"Could not override '([^']+)'", said):
        wanted, word = match[1], re.search(r"append to your config use (\+.+)", said)
        within = getattr(mistake.__cause__, "full_key", None) or wanted
        if within.startswith(f"{wanted}."):  # of settings that are given together
            return no_setting(within, f"+{within}=…")
        return no_setting(wanted, word[1] if word else f"+{wanted}=…")
    if match := re.search(r"Could not (?:find|load) 'hydra/launcher/(joblib|submitit)(\w*)'", said):
        return f"hydra/launcher={match[1]}{match[2]} is not installed: {installing(match[1])}"
    if match := re.search(r"Could not (?:find|load) '([^']+)'", said):
        return no_option(match[1])
    if match := re.search(r"Missing mandatory value: (\S+)", said):
        return f"{match[1]} is not set: it has no default"
    setting = getattr(mistake, "full_key", None)
    where = f"{setting}: " if setting else ""
    return where + ("\n".join(lines_of(said)) or type(mistake).__name__)


def no_setting(wanted: str, adding: str) -> str:
    """What to write instead of a setting that a config lacks.

    Args:
        wanted: the setting.
        adding: the word that would add it.
    """
    none, group = f"there is no setting {wanted}", wanted.partition(".")[0]
    if said := hint(wanted):
        return said
    if wanted in of_trainer():
        return f"{none} yet, but the Trainer takes it: {adding} adds it"
    if option := option_with(wanted):
        else_add = "" if group in GROUPS_OF_PARTS else f", and {adding} sets it if your {group} takes it"
        return f"{none}; {group}={option} has it{else_add}"
    others = [name for name in (*places.options(), *settings(), *of_trainer()) if name != wanted]  # of other options
    return f"{none}{suggestion(wanted, others)}" + (f"; to add one, write {adding}" if "." in wanted else "")


def of_trainer() -> list[str]:
    """The settings that the Trainer takes."""
    known = signature(TRAINER)
    return [f"trainer.{name}" for name in known.parameters if name not in GIVEN] if known else []


def lines_of(said: str) -> list[str]:
    """What an error of Hydra's says, without its places and marks."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return [line for line in lines if not line.startswith(("full_key:", "object_type=", "See https", "^"))]


def no_option(wanted: str) -> str:
    """What to write instead of an option that a group has not: `model/mpl`."""
    groups = sorted({*places.groups(), *OF_PLUGINS}, key=len, reverse=True)
    group = next((each for each in groups if wanted.startswith(f"{each}/")), wanted.rpartition("/")[0])
    option = wanted.removeprefix(f"{group}/")
    choices = sorted({*places.options(group), *OF_PLUGINS.get(group, ())})
    near = suggestion(option, choices)
    return (
        f"there is no {group}={option}{near}; choose from {', '.join(choices)}" if choices else f"there is no {wanted}"
    )


def option_with(setting: str) -> str | None:
    """The option of a group that has or takes a setting, such as `images` for `data.root`; None where none does."""
    group, _, rest = setting.partition(".")
    taking = None
    files = [file for folder in places.every() for file in sorted((folder / group).glob("*.yaml"))]
    for file in files if rest else ():
        try:
            node: Any = parsed(file)[1]
        except OSError:
            continue
        target = node.get("_target_")
        if taking is None and isinstance(target, str) and (known := signature(target)) and rest in known.parameters:
            taking = file.stem
        for key in rest.split("."):
            node = node.get(key, MISSING) if isinstance(node, dict) else MISSING
        if node is not MISSING:
            return file.stem
    return taking


def settings() -> list[str]:
    return list(paths(OmegaConf.to_container(composed([]), resolve=False)))


def paths(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from paths(value, f"{prefix}{key}.")
