"""What values a setting accepts: as a message for people, as a JSON schema for editors."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# A rule says what is wrong with a value, or None.
Rule = Callable[[Any], str | None]

LONGEST = 100  # characters in a name


@dataclass(frozen=True)
class Described:
    """A rule with a JSON schema, as far as that can express it."""

    rule: Rule
    schema: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, value: Any) -> str | None:
        return self.rule(value)


def schema_of(rule: Rule) -> dict[str, Any]:
    """A rule's JSON schema; for a rule without one, a schema that accepts anything."""
    return dict(rule.schema) if isinstance(rule, Described) else {}


def described(schema: Mapping[str, Any]) -> Callable[[Rule], Described]:
    return lambda rule: Described(rule, schema)


def integer(least: int | None = None, most: int | None = None) -> Rule:
    """An integer, at least `least` and at most `most`."""
    bounds = "" if least is None else f", at least {least}" if most is None else f", from {least} to {most}"
    ends = {"minimum": least, "maximum": most}

    @described({"type": "integer"} | {key: end for key, end in ends.items() if end is not None})
    def rule(value: Any) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool) and (least is None or value >= least)
        return None if good and (most is None or value <= most) else f"must be a whole number{bounds}"

    return rule


def number(low: float = -math.inf, high: float = math.inf, *, open_low: bool = False, open_high: bool = False) -> Rule:
    """A finite number between `low` and `high`; an open end is excluded."""
    ends = {"exclusiveMinimum" if open_low else "minimum": low, "exclusiveMaximum" if open_high else "maximum": high}

    @described({"type": "number"} | {key: end for key, end in ends.items() if math.isfinite(end)})
    def rule(value: Any) -> str | None:
        if isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf:
            above = value > low if open_low else value >= low
            below = value < high if open_high else value <= high
            if above and below:
                return None
        if low == -math.inf:
            return "must be a finite number"
        bounds = f"greater than {low:g}" if open_low else f"at least {low:g}"
        if math.isfinite(high):
            bounds += f" and {'below' if open_high else 'at most'} {high:g}"
        return f"must be a number {bounds}"

    return rule


def one_of(*choices: Any) -> Rule:
    @described({"enum": list(choices)})
    def rule(value: Any) -> str | None:
        good = any(value == choice and type(value) is type(choice) for choice in choices)
        return None if good else f"must be one of {', '.join(map(str, choices))}"

    return rule


def either(rule: Rule, *, or_else: Any) -> Rule:
    """What the rule allows, or one other value."""
    schema, named = schema_of(rule), "null" if or_else is None else str(or_else)

    @described({"anyOf": [schema, {"const": or_else}]} if schema else {})
    def one(value: Any) -> str | None:
        problem = None if value == or_else and type(value) is type(or_else) else rule(value)
        return problem and f"{problem}, or {named}"

    return one


def any_of(*rules: Rule) -> Rule:
    """What one of the rules allows."""
    schemas = [schema_of(rule) for rule in rules]

    @described({"anyOf": schemas} if all(schemas) else {})
    def some(value: Any) -> str | None:
        problems = [problem for rule in rules if (problem := rule(value))]
        return ", or ".join(problems) if len(problems) == len(rules) else None

    return some


def optional(rule: Rule) -> Rule:
    """What the rule allows, or null."""
    return either(rule, or_else=None)


def list_of(rule: Rule) -> Rule:
    """A list whose items all pass the rule."""

    @described({"type": "array", "items": schema_of(rule)})
    def each(value: Any) -> str | None:
        if not isinstance(value, list):
            return "must be a list, such as [128, 64]" if rule(128) is None else "must be a list"
        problems = [problem for item in value if (problem := rule(item))]
        return f"each item {problems[0]}" if problems else None

    return each


@described({"type": "string", "minLength": 1})
def text(value: Any) -> str | None:
    """A non-empty text."""
    return None if isinstance(value, str) and value else "must be a text, not empty"


@described({"type": "object"})
def mapping(value: Any) -> str | None:
    """A dict of settings."""
    return None if isinstance(value, dict) else "must be settings by name, such as {key: value}"


def only(*keys: str) -> Rule:
    """A dict with no other settings than these."""

    @described({"type": "object"})
    def rule(value: Any) -> str | None:
        unknown = sorted(str(key) for key in value if key not in keys) if isinstance(value, dict) else []
        return mapping(value) or (f"has no setting {unknown[0]}, only {', '.join(keys)}" if unknown else None)

    return rule


@described({"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"^[^/\\\x00-\x1f\x7f]+$"})
def name(value: Any) -> str | None:
    """A text that can be part of a folder's name and of a line on the terminal."""
    good = isinstance(value, str) and value.isprintable() and value == value.strip() and 0 < len(value) <= LONGEST
    if good and not set(value) & set("/\\") and value not in (".", ".."):
        return None
    return f"must be a name of at most {LONGEST} printable characters, without slashes"


boolean = one_of(True, False)
probability = number(0, 1)
positive = number(0, open_low=True)
fraction = number(0, 1, open_high=True)
