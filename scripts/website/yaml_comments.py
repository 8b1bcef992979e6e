"""The settings of a config file with their comments, which a YAML loader drops."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import yaml

from encore.config.settings import GROUPS_OF_PARTS

NOT_SETTINGS = ("defaults", "name", "_target_", "_recursive_", "_convert_")
LONGEST = 60  # characters of a value that are shown


@dataclass(frozen=True)
class Setting:
    """One setting of a file: its path, its value as it is written, its comment, and what takes it."""

    path: str
    value: str = ""
    comment: str = ""
    target: str = ""


@dataclass(frozen=True)
class Config:
    """A config file as a reader sees it: what its head says, the commands in it, and the settings."""

    file: Path
    about: str
    commands: str
    target: str
    settings: tuple[Setting, ...]
    defaults: tuple[str, ...]


def read(file: Path) -> Config:
    text = file.read_text(encoding="utf-8")
    head = list(takewhile(lambda line: line.startswith("#"), text.splitlines()))
    about, commands = separated(line.lstrip("#").strip() for line in head)
    node, values = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text) or {}
    open_recipes = file.stem == "train" or file.parent.name in GROUPS_OF_PARTS
    found = tuple(settings(node, "", text, len(head), open_recipes)) if isinstance(node, yaml.MappingNode) else ()
    bases = tuple(map(parent, values.get("defaults", [])))
    return Config(file, about, commands, values.get("_target_", ""), found, bases)


def separated(head: Iterable[str]) -> tuple[str, str]:
    """The prose at the head of a config, and the commands, of which a line may continue the one before."""
    prose: list[str] = []
    commands: list[str] = []
    for line in head:
        if line.startswith(("python ", "make ")) or (commands and commands[-1].endswith("\\")):
            commands.append(line)
        elif not line.startswith("@package"):
            prose.append(line)
    return " ".join(prose), "\n".join(commands)


def parent(entry: str | dict[str, str]) -> str:
    """The option that an entry of `defaults` names."""
    return entry.partition("@")[0] if isinstance(entry, str) else ""


def settings(node: yaml.MappingNode, above: str, text: str, head: int, open_recipes: bool) -> Iterator[Setting]:
    """The settings of a mapping, in the file's order; a recipe in it is one value, or opened, too."""
    target = target_of(node)
    for key, value in node.value:
        path = f"{above}.{key.value}" if above else key.value
        if key.value in NOT_SETTINGS:
            continue
        comment = "" if node.flow_style else comment_of(key, value, text.splitlines(), head)
        deeper = isinstance(value, yaml.MappingNode) and value.value and (open_recipes or not target_of(value))
        if deeper and target_of(value):
            yield Setting(path, f"{{_target_: {target_of(value)}}}", comment)
        elif not deeper or comment:
            yield Setting(path, "" if deeper else written(value, text), comment, target)
        if deeper:
            yield from settings(value, path, text, head, False)


def target_of(node: yaml.MappingNode) -> str:
    """What a recipe builds; an empty text for a mapping that is none."""
    return next((value.value for key, value in node.value if key.value == "_target_"), "")


def written(node: yaml.Node, text: str) -> str:
    """A value as its file writes it, on one line."""
    value = " ".join(text[node.start_mark.index : node.end_mark.index].split())
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        node.flow_style = True
        value = yaml.serialize(node, Dumper=yaml.SafeDumper, width=math.inf, allow_unicode=True).strip()
    return value if len(value) <= LONGEST else f"{value[:LONGEST]} …"


def comment_of(key: yaml.Node, value: yaml.Node, lines: list[str], head: int) -> str:
    """What is said of a setting: above it, and on its line."""
    first = key.start_mark.line
    start = first
    while start > head and re.match(rf" {{{key.start_mark.column}}}#", lines[start - 1]):
        start -= 1
    said = [line.strip() for line in lines[start:first]]
    block = isinstance(value, yaml.CollectionNode) and not value.flow_style
    end = key.end_mark if block else value.end_mark
    said += re.findall(r"\s(#.*)", lines[end.line][end.column :]) if end.line < len(lines) else []
    return " ".join(line.lstrip("#").strip() for line in said)
