"""The reference of every setting: its default and its comment from the configs, its type from the engine's rules."""

from collections.abc import Iterator

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
    "trainer": "What else Lightning's Trainer takes can be set, too, with `+`: `+trainer.max_time=00:12:00:00`.",
    "hydra/sweeper": "[Sweeps](../../sweeps.md) explains them.",
    "hydra/launcher": "[Sweeps](../../sweeps.md) explains them.",
}
WHOLE = """\
# Settings of a whole run

What every run has, besides its parts. `python train.py seed=1` changes a setting for one run, and a config for good;
`python train.py --cfg job` prints all settings with their values.
"""
HEAD = "| Setting | Default | Value | Meaning |\n| --- | --- | --- | --- |\n"
RULE_ANSWERS_TO = object()  # no value of a setting: a rule answers what it wants instead


def pages() -> Iterator[tuple[str, str]]:
    """A page for what all runs have, and one for each group of options."""
    whole = read(places.engine() / "train.yaml").settings
    own = [each for each in whole if each.path.partition(".")[0] not in ("data", "hydra")]
    yield "settings/train.md", f"{WHOLE}\n{table(own, '')}"
    for group, title in GROUPS.items():
        options = [read(file) for name in places.options(group) if (file := places.find(f"{group}/{name}"))]
        shared = [each for each in whole if each.path.startswith(f"{group}.")]
        shared += unsaid(group, [*shared, *(each for option in options for each in named(group, option))])
        common = f"## In common\n\n{table(shared, '')}\n" if shared else ""
        sections = "\n".join(section(group, option) for option in options)
        yield f"settings/{group}.md", f"# {title}\n\n{introduction(group)}\n{common}{sections}"


def introduction(group: str) -> str:
    chosen = f"`python train.py {group}=NAME` chooses one of the options below. "
    return f"{chosen if group != 'hydra/sweeper' else ''}{MORE[group]}\n"


def unsaid(group: str, said: list[Setting]) -> list[Setting]:
    """The settings that the engine knows and no config states."""
    paths = {each.path for each in said}
    known = (path for path in RULES_BY_PATH if path.startswith(f"{group}.") and not path.endswith(".name"))
    return [Setting(path, "", "") for path in known if not any(f"{each}.".startswith(f"{path}.") for each in paths)]


def named(group: str, option: Config) -> list[Setting]:
    """An option's settings by their whole names."""
    node = group.replace("/", ".")
    return [Setting(f"{node}.{each.path}", each.value, each.comment) for each in option.settings]


def section(group: str, option: Config) -> str:
    """An option: what it says of itself, what it builds, and its settings."""
    name, target = option.file.stem, target_of(group, option)
    basis = ", ".join(
        f"[{each}](#{each})" for each in option.defaults if places.find(f"{group}/{each}") and "/" not in each
    )
    parts = [f"## {name} {{ #{name} }}", escaped(option.head), f"Everything of {basis}, and:" if basis else ""]
    parts += [table(named(group, option), name, target) if option.settings else ""]
    parts += [f"{f'Builds `{target}`. ' if target else ''}Stated in `{option.file.relative_to(ROOT).as_posix()}`."]
    return "\n\n".join(part for part in parts if part) + "\n"


def target_of(group: str, option: Config) -> str:
    """What an option builds, or what the option builds that it is based on."""
    bases = [file for each in option.defaults if (file := places.find(f"{group}/{each}"))]
    return option.target or next((found for file in bases if (found := target_of(group, read(file)))), "")


def table(settings: list[Setting], option: str, target: str = "") -> str:
    """A row for each setting, each with an anchor of its own."""
    rows = "".join(row(each, option, target) for each in settings)
    return f'<div class="settings" markdown>\n\n{HEAD}{rows}\n</div>\n'


def row(setting: Setting, option: str, target: str) -> str:
    anchor = f"{option}.{setting.path.rpartition('.')[2]}" if option else setting.path
    value = f"`{cell(setting.value)}`" if setting.value else ""
    about = cell(escaped(setting.comment))
    return f"| [`{setting.path}`](#{anchor}){{ #{anchor} }} | {value} | {type_of(setting, target)} | {about} |\n"


def type_of(setting: Setting, target: str) -> str:
    """What values a setting takes, in the words of the engine's message about a wrong one."""
    group, _, key = setting.path.partition(".")
    taken = signature(TRAINER if group == "trainer" else target) if target or group == "trainer" else None
    rule = RULES_BY_PATH.get(setting.path)
    if rule is None and taken and (parameter := taken.parameters.get(key)):
        rule = rule_of(parameter)
    words = (rule(RULE_ANSWERS_TO) if rule else None) or ""
    return cell(escaped(words.removeprefix("must be ").replace("one of True, False", "true or false")))


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def escaped(text: str) -> str:
    """Text of a comment, in which nothing is markup."""
    return text.replace("_", "\\_").replace("*", "\\*").replace("<", "&lt;").replace("[", "\\[").replace("`", "\\`")
