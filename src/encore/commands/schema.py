"""Write JSON schemas that let editors complete configs and underline mistakes."""

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from encore.analysis.claims.claim import RULES as CLAIM_RULES
from encore.config import places
from encore.config.annotations import rule_of
from encore.config.facts import DATA_MODULE
from encore.config.keys import TRAINER, references
from encore.config.recipe_checks import GIVEN_TO_TASKS, recipes
from encore.config.rules import Rule, name, schema_of
from encore.config.settings import DATA_RULES, ENGINE_KEYS, GROUPS_OF_PARTS, OUR_SETTINGS, PARTS, RULES
from encore.config.signature import signature
from encore.files import make_folder, write_text

FOLDER = Path(".vscode") / "schemas"  # of the project
Schema = dict[str, Any]

# Values known only once a config is composed: an interpolation, or a setting without a default.
LATER: Schema = {"type": "string", "pattern": r"^\?\?\?$|\$\{"}
TARGET: Schema = {"_target_": {"type": "string", "pattern": r"\.|\$\{|^\?\?\?$"}}
# Keys of a file other than its settings.
OF_FILES: Schema = {"defaults": {"type": "array"}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help=f"destination (the project's {FOLDER})")
    folder = parser.parse_args().folder or places.root() / FOLDER
    make_folder(folder)
    for group, schema in schemas().items():
        write_text(folder / f"{group}.json", written(schema))
    print(folder)
    return 0


def written(schema: Schema) -> str:
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def schemas() -> dict[str, Schema]:
    """The schema of each group's files; `train` is for files with the whole config."""
    groups = {node: part(node) for node in PARTS} | {node: parts(node) for node in GROUPS_OF_PARTS}
    groups |= {"data": data(), "trainer": trainer()}
    nodes = {group: {"$ref": f"{group}.json"} for group in groups}
    whole = closed({**of_rules("", RULES), **nodes, "claims": claims(), "hydra": {"type": "object"}, **OF_FILES})
    return {group: of_file(schema) for group, schema in {**groups, "train": whole}.items()}


def of_file(schema: Schema) -> Schema:
    return {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"later": LATER}, **schema}


def closed(properties: Schema) -> Schema:
    """An object with these properties only."""
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def only(*names: str, **settings: Schema) -> Schema:
    """Allow only these settings: some with a schema, and some whose schema is defined elsewhere."""
    return {"properties": {**{name: {} for name in names}, **settings}, "additionalProperties": False}


def resolved_later(schema: Schema) -> Schema:
    """Accept values that are known only once the config is composed, too."""
    if not schema:
        return schema
    if "items" in schema:
        schema = {**schema, "items": resolved_later(schema["items"])}
    return {"anyOf": [*schema.get("anyOf", [schema]), {"$ref": "#/definitions/later"}]}


def of_rules(node: str, rules: dict[str, Rule]) -> Schema:
    """The settings of a node and of those below it, from the engine's rules."""
    before, found = f"{node}." if node else "", Schema()
    for path, rule in rules.items():
        key, _, deeper = path.removeprefix(before).partition(".")
        if path.startswith(before):
            below = closed(of_rules(f"{before}{key}", rules)) if deeper else resolved_later(schema_of(rule))
            found[key] = below
    return found


def data() -> Schema:
    """The settings of Encore's DataModule; any settings for another `_target_`."""
    own = {**referred_to("data"), **of_rules("data", {"data.name": name, **DATA_RULES}), **TARGET, **OF_FILES}
    own |= {split: {**part(f"data.{split}"), "type": ["object", "null"]} for split in ("train", "test")}
    another = {"required": ["_target_"], "properties": {"_target_": {"not": {"const": DATA_MODULE}}}}
    return {"type": "object", "properties": own, "if": another, "else": only(*own)}


def trainer() -> Schema:
    """The settings of Lightning's Trainer, and those that Encore adds."""
    known = signature(TRAINER)
    names = {*OUR_SETTINGS, *(known.parameters if known else ())}
    return closed({**{name: {} for name in sorted(names)}, **of_rules("trainer", RULES), **OF_FILES})


def claims() -> Schema:
    claim = {"type": "object", "properties": {key: schema_of(rule) for key, rule in CLAIM_RULES.items()}}
    return {"type": "array", "items": {**claim, "additionalProperties": False}}


def parts(node: str) -> Schema:
    """Recipes by name; null removes one."""
    one = {**recipe(node, named_in(node)), "type": ["object", "null"]}
    return {"type": ["object", "null"], "properties": OF_FILES, "additionalProperties": one}


def part(node: str) -> Schema:
    """A recipe: checked settings for targets named in the configs, any settings for others."""
    return recipe(node, named_in(node))


def recipe(node: str, targets: list[str]) -> Schema:
    """A recipe for one of several targets."""
    engine = {"name": resolved_later(schema_of(name)), **TARGET, **OF_FILES}
    engine |= {key: resolved_later(schema_of(RULES[f"{node}.{key}"])) for key in ENGINE_KEYS.get(node, ())}
    kinds = []
    for target in targets:
        taken = settings_of(node, target)
        if taken is not None:
            chosen = {"required": ["_target_"], "properties": {"_target_": {"const": target}}}
            kinds.append({"if": chosen, "then": only(*engine, **taken)})
    return {"type": "object", "properties": engine, **({"allOf": kinds} if kinds else {})}


def settings_of(node: str, target: str) -> Schema | None:
    """The settings a target accepts; None if unknown or unrestricted."""
    known = signature(target)
    if known is None or known.open:
        return None
    found = {}
    for key, parameter in known.parameters.items():
        rule = rule_of(parameter) if target.startswith("encore.") else None
        schema = resolved_later(schema_of(rule)) if rule is not None else {}
        if schema and node == "scheduler":
            schema = {"anyOf": [*schema["anyOf"], {"const": "auto"}]}
        if not (node == "task" and key in GIVEN_TO_TASKS):
            found[key] = schema
    return found


def referred_to(node: str) -> Schema:
    """The settings of a node that the configs refer to, with any values."""
    contents = [yaml.safe_load(file.read_bytes()) for folder in places.every() for file in folder.rglob("*.yaml")]
    paths = [path.split(".") for content in contents for path in references(content)]
    return {key: {} for above, key, *_ in (path for path in paths if len(path) > 1) if above == node}


def named_in(node: str) -> list[str]:
    """The targets named in a group's configs, at a node such as `model` or `data.train`."""
    group = node.partition(".")[0]
    found = set()
    for file in (file for folder in places.every() for file in (folder / group).rglob("*.yaml")):
        for path, each in recipes({group: yaml.safe_load(file.read_bytes())}):
            if path == node or (group in GROUPS_OF_PARTS and path.count(".") == 1):
                found.add(each["_target_"])
    return sorted(found)
