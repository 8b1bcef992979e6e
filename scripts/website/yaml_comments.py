"""The settings of a config file with their comments, which a YAML loader drops."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import yaml

from encore.config.settings import GROUPS_OF_PARTS

NOT_SETTINGS = ("defaults", "name", "_target_", "_recursive_", "_convert_")
LONGEST = 60  # characters of a value that are shown


@dataclass(frozen=True)
class Setting:
    """One setting of a file: its path in the file, its value as it is written, and its comment."""

    path: str
    value: str
    comment: str


@dataclass(frozen=True)
class Config:
    """A config file as a reader sees it: what it says at its head, and its settings."""

    file: Path
    head: str
    target: str
    settings: tuple[Setting, ...]
    defaults: tuple[str, ...]


def read(file: Path) -> Config:
    text = file.read_text(encoding="utf-8")
    head = list(takewhile(lambda line: line.startswith("#"), text.splitlines()))
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    values = yaml.safe_load(text) or {}
    open_recipes = file.stem == "train" or file.parent.name in GROUPS_OF_PARTS
    found = tuple(settings(node, "", text, len(head), open_recipes)) if isinstance(node, yaml.MappingNode) else ()
    return Config(
        file,
        " ".join(line[1:].strip() for line in head),
        values.get("_target_", ""),
        found,
        tuple(map(parent, values.get("defaults", []))),
    )


def parent(entry: str | dict[str, str]) -> str:
    """The option that an entry of `defaults` names."""
    return entry.partition("@")[0] if isinstance(entry, str) else ""


def settings(node: yaml.MappingNode, above: str, text: str, head: int, open_recipes: bool) -> Iterator[Setting]:
    """The settings of a mapping, in the file's order; a recipe in it is one value, or opened, too."""
    for key, value in node.value:
        path = f"{above}.{key.value}" if above else key.value
        if key.value in NOT_SETTINGS:
            continue
        comment = comment_of(key, value, text.splitlines(), head)
        deeper = isinstance(value, yaml.MappingNode) and value.value and (open_recipes or not is_recipe(value))
        if not deeper or comment:
            yield Setting(path, "" if deeper else written(value, text), comment)
        if deeper:
            yield from settings(value, path, text, head, False)


def is_recipe(node: yaml.MappingNode) -> bool:
    return any(key.value == "_target_" for key, _ in node.value)


def written(node: yaml.Node, text: str) -> str:
    """A value as its file writes it, on one line."""
    value = " ".join(text[node.start_mark.index : node.end_mark.index].split())
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
