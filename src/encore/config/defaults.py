"""What of a run's config differs from the defaults of the parts that it chose.

The defaults are read from the configs' files, each once in a process, and not composed: this costs milliseconds. They
are a function of the config alone, so that a recipe and the same settings typed by hand differ in the same settings.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from encore.config import places
from encore.config.facts import MISSING, leaves, look_up

# Settings that decide where a run is stored or how it is shown, and change no bit of its result.
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
    "data.axes",
    "data.num_workers",
    "data.resident",
    "trainer.profile",
)
# Settings of Encore's own data that serve the use of a trained model.
OF_USE = ("data.classes", "data.from_text")
# Callbacks that only show a run, by their names in configs/callbacks/default.yaml.
VIEW_NAMES = {
    "gap", "updates", "histograms", "confusion", "mistakes", "precision_recall", "calibration", "first_layer",
    "embeddings", "augmentation", "speed",
}  # fmt: skip
OF_VIEWS = tuple(f"callbacks.{name}" for name in sorted(VIEW_NAMES))
# Besides these: what belongs to the machine, or is told by its effect or by a run's name.
UNTOLD = (
    *COSMETIC, *OF_VIEWS, *OF_USE, "seed", "threads", "trainer.accelerator", "vars", "code", "files", "data.sha256",
    "task.metrics", "data.name", "model.name", "optim.name",
)  # fmt: skip
UNTOLD_PATHS = tuple(f"{path}." for path in UNTOLD)
NAMED = ("data", "model", "optim", "scheduler")  # parts that have a name
BY_NAME = ("augment", "callbacks")  # groups whose parts have one
SELDOM_TOLD = frozenset((*UNTOLD, *BY_NAME))
PROJECT = "project/default"
INTERPOLATION = re.compile(r"\$\{([\w.]+)\}")
AT_THE_TOP = b"# @package _global_"  # begins a file whose settings stand at the top of a config, not in its group


@dataclass(frozen=True)
class Differences:
    """What tells a config from others of the same data, model and optimiser.

    Attributes:
        changed: settings that differ from the defaults of the chosen parts, by dotted path; what was chosen is one of
            them. The data, the model and the optimiser are told by a run's name, and the seed is not told either.
        of_model: the model's settings that follow from nothing else, by dotted path.
    """

    changed: dict[str, Any]
    of_model: dict[str, Any]

    @classmethod
    def of(cls, cfg: dict) -> "Differences":
        usual = Defaults(cfg)
        return cls(changed_from(usual), of_model(usual))


def changed(cfg: dict) -> dict[str, Any]:
    """As in `Differences`."""
    return Differences.of(cfg).changed


def changed_from(usual: "Defaults") -> dict[str, Any]:
    if usual.chosen["task"] is None:  # recorded code runs without its configs, and nothing is known
        return {}
    found: dict[str, Any] = usual.parts()
    for path, value in leaves(usual.cfg):
        if path.startswith(UNTOLD_PATHS) or path in SELDOM_TOLD or path.endswith("_target_"):
            continue
        if not same(value, look_up(usual.settings, path), usual.cfg):
            found[path] = value
    return found


def of_model(usual: "Defaults") -> dict[str, Any]:
    known, model = usual.settings.get("model", {}), usual.cfg["model"]
    follows = [key for key, value in known.items() if "${" in str(value) or key in ("name", "_target_")]
    return {f"model.{path}": value for path, value in leaves(model) if path.partition(".")[0] not in follows}


def same(value: Any, default: Any, cfg: dict) -> bool:
    """Whether a setting is at its default; where that is a computed one, it counts as such."""
    if isinstance(default, str) and (reference := INTERPOLATION.fullmatch(default)):
        default = look_up(cfg, reference[1])
    if default is MISSING or default is None:
        return value is None or value == {}
    if isinstance(value, dict) and isinstance(default, dict):
        return all(same(value.get(key), default.get(key), cfg) for key in value.keys() | default.keys())
    return bool(value == default) or "${" in str(default)


class Defaults:
    """What the files of the chosen parts hold.

    Attributes:
        settings: of all of them.
    """

    def __init__(self, cfg: dict) -> None:
        self.cfg, self.folders = cfg, places.every()
        self.file = cache(self.found)  # each is asked for several times
        self.chosen = self.choices()
        self.task = self.task_option()
        parts = {group: [str(look_up(cfg, f"{group}.name"))] for group in NAMED}
        parts |= {"task": [self.task or self.chosen["task"]], "trainer": [self.chosen["trainer"]]}
        self.settings = {
            key: value for key, value in self.contents("train").items() if key not in ("defaults", "hydra")
        }
        for group, options in parts.items():
            for option in options:
                self.settings = merged(self.settings, self.placed(group, option))
        # An optimiser, say, may bring a callback.
        self.brought = {group: set(self.settings.get(group) or {}) for group in BY_NAME}
        for group in BY_NAME:
            options = [*self.options(group), *self.options(group) & (cfg.get(group) or {}).keys(), *self.chosen[group]]
            for option in options:  # the part's own file says more than another's in which it stands, too
                self.settings[group] = merged(self.settings.get(group), self.read(group, option))
        # As in Hydra, what a project has in all its runs comes on top.
        self.settings = merged(self.settings, self.contents(PROJECT))

    def choices(self) -> dict[str, Any]:
        """The options that are chosen where nothing is said, by their groups."""
        found: dict[str, Any] = {"task": None, "trainer": None}
        for name in ("train", PROJECT):
            for entry in self.contents(name).get("defaults") or ():
                for group, option in entry.items() if isinstance(entry, dict) else ():
                    found[group.removeprefix("override ").lstrip("/")] = option
        return found | {group: listed(found.get(group)) for group in BY_NAME}

    def parts(self) -> dict[str, Any]:
        """What was chosen that is not chosen where nothing is said."""
        found: dict[str, Any] = {}
        if self.task != self.chosen["task"]:
            found["task"] = self.task or str(look_up(self.cfg, "task._target_")).rpartition(".")[2]
        if (name := look_up(self.cfg, "scheduler.name")) not in (self.chosen.get("scheduler"), MISSING):
            found["scheduler.name"] = name
        for group in BY_NAME:
            if names := self.chosen_in(group):
                found[group] = names
        return found

    def chosen_in(self, group: str) -> list[str]:
        """The names of the parts that a group has on top of its standard ones: of an option, or each of its own."""
        standard = self.brought[group].union(*(self.read(group, option) for option in self.chosen[group]))
        left = {key: recipe for key, recipe in (self.cfg.get(group) or {}).items() if recipe and key not in standard}
        names = []
        for option in sorted(self.options(group), key=lambda option: (-len(self.read(group, option)), option)):
            own = {key: recipe for key, recipe in self.read(group, option).items() if key not in standard}
            if own and all(key in left and same(left[key], recipe, self.cfg) for key, recipe in own.items()):
                names.append(option)
                self.settings[group] = merged(self.settings[group], own)
                left = {key: recipe for key, recipe in left.items() if key not in own}
        return [*names, *left]

    def task_option(self) -> str | None:
        """The option of the task's class, the default one first; None if no option is of it."""
        target, usual = look_up(self.cfg, "task._target_"), self.chosen["task"]
        for option in (usual, *sorted(self.options("task"))):
            if self.read("task", option).get("_target_") == target:
                return str(option)
        return None

    def options(self, group: str) -> set[str]:
        return {file.stem for folder in self.folders for file in (folder / group).glob("*.yaml")}

    def placed(self, group: str, option: str) -> dict[str, Any]:
        """An option's settings where they stand in a config."""
        held = self.read(group, option)
        return held if self.file(f"{group}/{option}")[0] else {group: held}

    def read(self, group: str, option: str, within: tuple[str, ...] = ()) -> dict[str, Any]:
        """An option's settings, on those of the options that it is made from; nothing if there is no such file."""
        held = self.contents(f"{group}/{option}")
        found: dict[str, Any] = {}
        for entry in held.get("defaults") or ():
            if isinstance(entry, str) and entry not in ("_self_", option, *within):
                found = merged(found, self.read(group, entry.partition("@")[0], (*within, option)))
            for part, usual in entry.items() if isinstance(entry, dict) else ():
                of, at, place = str(part).removeprefix("/").partition("@")
                if at:
                    found = merged(found, self.of_part(group, of, place, usual, (*within, option)))
        return merged(found, {key: value for key, value in held.items() if key != "defaults"})

    def of_part(self, group: str, of: str, place: str, usual: str, within: tuple[str, ...]) -> dict[str, Any]:
        """The settings of a part within another, such as a teacher's net, under the name of the usual one."""
        chosen = str(look_up(self.cfg, f"{group}.{place}.name"))
        found: Any = ({} if chosen in within else self.read(of, chosen, within)) | {"name": usual}
        for key in reversed(place.split(".")):
            found = {key: found}
        return dict(found)

    def contents(self, name: str) -> dict[str, Any]:
        """What a config's file holds; nothing where there is none."""
        return self.file(name)[1]

    def found(self, name: str) -> tuple[bool, dict[str, Any]]:
        """Whether a config's settings stand at the top, and what they are."""
        for folder in self.folders if ".." not in name else ():
            try:
                file = folder / f"{name}.yaml"
                seen = file.stat()
                return parsed(file, seen.st_mtime_ns, seen.st_size)
            except (OSError, ValueError):  # none, or no name of one
                continue
        return False, {}


def listed(option: Any) -> list[str]:
    return option if isinstance(option, list) else [option] if option else []


@lru_cache(maxsize=1000)
def parsed(file: Path, *_: int) -> tuple[bool, dict[str, Any]]:
    """Read a file; the numbers say which content is meant."""
    text = file.read_bytes()
    try:
        held = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        held = None  # a part that the run cannot have chosen
    return text.startswith(AT_THE_TOP), held if isinstance(held, dict) else {}


def merged(below: Any, above: Any) -> Any:
    """Settings on others, as Hydra merges them."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: merged(below.get(key), value) for key, value in above.items()}
