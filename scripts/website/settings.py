"""The reference of every setting: its default and its comment from the configs, its type from the engine's rules."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from encore.config import places
from encore.config.annotations import rule_of
from encore.config.keys import TRAINER
from encore.config.settings import (
    DATA_RULES,
    RULES,
    SCHEDULER_RULES,
    TASK_RULES,
    TORCH_OPTIM_RULES,
)
from encore.config.signature import signature
from website.docstrings import arguments
from website.links import ROOT
from website.yaml_comments import Config, Setting, read

RULES_BY_PATH = RULES | DATA_RULES | TASK_RULES | TORCH_OPTIM_RULES | SCHEDULER_RULES
GROUPS = {
    "task": "Settings of a task",
    "data": "Settings of data",
    "model": "Settings of a model",
    "optim": "Settings of an optimiser",
    "scheduler": "Settings of a schedule",
    "augment": "Settings of augmentations",
    "callbacks": "Settings of callbacks",
    "logger": "Settings of loggers",
    "trainer": "Settings of the trainer",
    "hydra/sweeper": "Settings of the sweeper",
    "hydra/launcher": "Settings of launchers",
}
MORE = {
    "task": "[Add a part](../extend.md#a-task) tells how to write one.",
    "data": "[Bring your own data](../data.md) explains them.",
    "model": "[Add a part](../extend.md#a-model) tells how to write one.",
    "optim": "An optimiser is any of torch's; what its class takes can be set, too.",
    "scheduler": "`auto` stands for the run's length.",
    "augment": "Several at once: `'augment=[flip_crop,mixup]'`.",
    "callbacks": "Several at once: `'callbacks=[default,early_stopping]'`. [Callbacks](../callbacks.md) explains them.",
    "logger": "Several at once: `logger=[tensorboard,csv]`. [Loggers](../loggers.md) explains them.",
    "trainer": "What else Lightning's Trainer takes can be set, too, with `+`: `+trainer.max_time=00:12:00:00`. "
    "What has no meaning here is explained by [its pages](https://lightning.ai/docs/pytorch/stable/common/trainer.html).",
    "hydra/sweeper": "[Sweeps](../../sweeps.md) explains them.",
    "hydra/launcher": "[Sweeps](../../sweeps.md) explains them.",
}
WHOLE = """\
# Settings of a whole run

What every run has, besides its parts. `python train.py seed=1` changes a setting for one run, and a config for good;
`python train.py --cfg job` prints all settings with their values.
"""
HEAD = "| Setting | Default | Value | Meaning |\n| --- | --- | --- | --- |\n"
MARKUP = {"<": "&lt;"}
NO_VALUE = object()  # of any setting: a rule answers what it wants instead
Comments = dict[tuple[str, str], str]  # by a setting's path and value: options repeat a setting without its comment


def pages() -> Iterator[tuple[str, str]]:
    """A page for what all runs have, and one for each group of options."""
    whole = read(places.engine() / "train.yaml").settings
    own = [each for each in whole if each.path.partition(".")[0] not in ("data", "hydra")]
    yield "settings/train.md", f"{WHOLE}\n{table(own, {})}"
    for group, title in GROUPS.items():
        options = {name: named(group, read(file)) for name, file in files(group)}
        shared = [each for each in whole if each.path.startswith(f"{group}.")]
        shared += [each for _, file in files(f"{group}/base") for each in named(group, read(file)).settings]
        stated = [*shared, *(each for option in options.values() for each in option.settings)]
        shared += unsaid(group, stated)
        comments = {(each.path, each.value): each.comment for each in stated if each.comment and each.target}
        common = f"## In common\n\n{table(shared, comments)}\n" if shared else ""
        sections = "\n".join(section(group, name, option, comments) for name, option in options.items())
        yield f"settings/{group}.md", f"# {title}\n\n{introduction(group)}\n{common}{sections}"


def files(group: str) -> Iterator[tuple[str, Path]]:
    """The options of a group that are no folders."""
    yield from ((name, file) for name in places.options(group) if (file := places.find(f"{group}/{name}")))


def introduction(group: str) -> str:
    chosen = f"`python train.py {group}=NAME` chooses one of the options below. "
    return f"{chosen if group != 'hydra/sweeper' else ''}{MORE[group]}\n"


def unsaid(group: str, said: list[Setting]) -> list[Setting]:
    """The settings that the engine knows and no config states."""
    known = (path for path in RULES_BY_PATH if path.startswith(f"{group}.") and not path.endswith(".name"))
    return [
        Setting(path, "not set") for path in known if not any(f"{each.path}.".startswith(f"{path}.") for each in said)
    ]


def named(group: str, option: Config) -> Config:
    """An option whose settings have their whole names, and what takes them if it stands in another file."""
    node, target = group.replace("/", "."), target_of(group, option)
    whole = (replace(each, path=f"{node}.{each.path}", target=each.target or target) for each in option.settings)
    return replace(option, settings=tuple(whole), target=target)


def target_of(group: str, option: Config) -> str:
    """What an option builds, or what the option builds that it is based on."""
    bases = [file for each in option.defaults if (file := places.find(f"{group}/{each}"))]
    return option.target or next((found for file in bases if (found := target_of(group, read(file)))), "")


def section(group: str, name: str, option: Config, comments: Comments) -> str:
    """An option: what it says of itself, what it is based on, its settings, and what it builds."""
    based = [each for each in option.defaults if "/" not in each and places.find(f"{group}/{each}")]
    links = ", ".join(f"[{each}](#{each})" for each in based)
    builds = f"Builds `{option.target}`. " if option.target else ""
    parts = [
        f"## {name} {{ #{name} }}",
        escaped(option.about),
        f"```bash\n{option.commands}\n```" if option.commands else "",
        f"Everything of {links}, and:" if based else "",
        table(option.settings, comments, name) if option.settings else "",
        f"{builds}Stated in `{option.file.relative_to(ROOT).as_posix()}`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(settings: Iterable[Setting], comments: Comments, option: str = "") -> str:
    """A row for each setting, each with an anchor of its own."""
    rows = "".join(row(each, comments, option) for each in settings)
    return f'<div class="settings" markdown>\n\n{HEAD}{rows}\n</div>\n'


def row(setting: Setting, comments: Comments, option: str) -> str:
    key = setting.path.rpartition(".")[2]
    anchor = f"{option}.{setting.path.partition('.')[2]}" if option else setting.path
    shared = comments.get((setting.path, setting.value)) if setting.target else None
    about = setting.comment or shared or arguments(setting.target).get(key, "")
    value = f"`{cell(setting.value)}`" if setting.value else ""
    name = f"[`{setting.path}`](#{anchor}){{ #{anchor} }}"
    return f"| {name} | {value} | {cell(escaped(type_of(setting, key)))} | {cell(escaped(about))} |\n"


def type_of(setting: Setting, key: str) -> str:
    """What values a setting takes, in the words of the engine's message about a wrong one."""
    target = TRAINER if setting.path.startswith("trainer.") else setting.target
    rule, taken = RULES_BY_PATH.get(setting.path), signature(target) if target else None
    if rule is None and taken and (parameter := taken.parameters.get(key)):
        rule = rule_of(parameter)
    words = (rule(NO_VALUE) if rule else None) or ""
    for plain in ("must be ", ", such as [128, 64]", ", such as {key: value}"):
        words = words.replace(plain, "")
    return ", or ".join(dict.fromkeys(words.replace("True, False", "true, false").split(", or ")))


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def escaped(text: str) -> str:
    """Text of a comment, in which only `code` is markup."""
    return re.sub(r"(`[^`]*`)|<|[_*\[{]", lambda found: found[1] or MARKUP.get(found[0], f"\\{found[0]}"), text)
