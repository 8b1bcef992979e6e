"""What the value of a setting can be."""

import math
from collections.abc import Callable
from typing import Any

# A rule says what is wrong with a value, or None.
Rule = Callable[[Any], str | None]


def integer(least: int, most: int | None = None) -> Rule:
    """A whole number, at least `least` and at most `most`."""
    bounds = f"at least {least}" if most is None else f"from {least} to {most}"

    def rule(value: Any) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool) and value >= least
        return None if good and (most is None or value <= most) else f"must be a whole number, {bounds}"

    return rule


def number(low: float, high: float = math.inf, *, open_low: bool = False, open_high: bool = False) -> Rule:
    """A finite number between `low` and `high`; an open end is left out."""

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
    """One of the values given."""

    def rule(value: Any) -> str | None:
        good = any(value == choice and type(value) is type(choice) for choice in choices)
        return None if good else f"must be one of {', '.join(map(str, choices))}"

    return rule


def optional(rule: Rule) -> Rule:
    """What the rule allows, or null."""

    def either(value: Any) -> str | None:
        problem = None if value is None else rule(value)
        return problem and f"{problem}, or null"

    return either


def list_of(rule: Rule) -> Rule:
    """A list whose items all pass the rule."""

    def each(value: Any) -> str | None:
        if not isinstance(value, list):
            return "must be a list, such as [128, 64]"
        problems = [problem for item in value if (problem := rule(item))]
        return f"each item {problems[0]}" if problems else None

    return each


def text(value: Any) -> str | None:
    """A text that is not empty."""
    return None if isinstance(value, str) and value else "must be a text"


def name(value: Any) -> str | None:
    """A text that can be part of a folder's name."""
    good = isinstance(value, str) and value and not set(value) & set("/\\\0") and value not in (".", "..")
    return None if good else "must be a name without slashes"


boolean = one_of(True, False)
probability = number(0, 1)
positive = number(0, open_low=True)
fraction = number(0, 1, open_high=True)
