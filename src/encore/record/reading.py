"""What a run's result.json and manifest.json may hold: a folder may be damaged, or a stranger's; without torch."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from encore.config import named_runs
from encore.config.rules import Rule, boolean, integer, one_of, optional
from encore.errors import InputError
from encore.files import read_json

RESULT, MANIFEST = named_runs.RESULT, "manifest.json"
STATUSES = ("running", "finished", "preempted", "diverged", "failed")
SCHEMA = 2
READABLE = (1, SCHEMA)

LARGEST_RESULT = 8 * 2**20  # bytes; one has about a thousand
LONGEST = 400  # characters of a name
LONGEST_TEXT = 100_000  # of a setting, or of an error with its traceback
LARGEST = 2**64  # a whole number; a float has more room, and fewer digits
DEEPEST = 32  # keys to a setting


def name(value: Any) -> str | None:
    """What can stand in a line of a table."""
    good = isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable()
    return None if good else f"must be a text of at most {LONGEST} printable characters"


def any_text(value: Any) -> str | None:
    """Any text that can be written down."""
    if isinstance(value, str) and len(value) <= LONGEST_TEXT:
        return None if value.isascii() or encodable(value) else "holds half a character, which is no text"
    return f"must be a text of at most {LONGEST_TEXT:,} characters"


def encodable(text: str) -> bool:
    """Whether a text is whole: JSON can hold one half of a character that takes two."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def anything(value: Any) -> str | None:
    """What no command looks into."""
    return None


def figure(value: Any) -> str | None:
    """A number, or the name of one that is not finite, which JSON has not."""
    if isinstance(value, str):
        return None if value in ("nan", "inf", "-inf") else "must be a number"
    if isinstance(value, int) and not isinstance(value, bool):
        return None if abs(value) < LARGEST else "must be a number, not one of hundreds of digits"
    return None if isinstance(value, float) and math.isfinite(value) else "must be a number"


def hexadecimal(value: Any) -> str | None:
    """A float in hexadecimal, which keeps all its bits."""
    try:
        float.fromhex(value)
    except (TypeError, ValueError, OverflowError):
        return "must be a number in hexadecimal, such as 0x1.8p+1"
    return None


def by_name(rule: Rule, of: Rule = name) -> Rule:
    """A dict whose values all pass the rule."""

    def each(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "must be values by name"
        for key, item in value.items():
            if problem := of(key) or rule(item):
                return f"{key[:LONGEST]!r}: {problem}"
        return None

    return each


def fields(rules: Mapping[str, Rule], needed: tuple[str, ...] = ()) -> Rule:
    """A dict of which some values have rules, and some have to be there."""

    def each(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "must be values by name"
        if missing := [key for key in needed if key not in value]:
            return f"lacks {', '.join(missing)}"
        for key, rule in rules.items():
            if key in value and (problem := rule(value[key])):
                return f"{key}: {problem}"
        return None

    return each


def listed(rule: Rule) -> Rule:
    """A list whose items all pass the rule."""

    def each(value: Any) -> str | None:
        if not isinstance(value, list):
            return "must be a list"
        return next((problem for item in value if (problem := rule(item))), None)

    return each


def settings(value: Any, depth: int = 0) -> str | None:
    """A config: plain values of bounded size, and not too deep."""
    if depth == 0 and not isinstance(value, dict):
        return "must be settings by name"
    if depth > DEEPEST:
        return "is nested deeper than any config"
    if isinstance(value, str):
        return any_text(value)
    if isinstance(value, dict):
        for key, item in value.items():
            if problem := any_text(key) or settings(item, depth + 1):
                return problem
        return None
    if isinstance(value, list):
        return next((problem for item in value if (problem := settings(item, depth + 1))), None)
    return None if value is None or isinstance(value, bool) else figure(value)


count = integer(0, 2**63)

# Of a `Result`; all others have defaults.
NEEDED = ("status", "fingerprint", "seed", "name", "started")
RESULT_RULES: dict[str, Rule] = {
    "status": one_of(*STATUSES),
    "fingerprint": name,
    "seed": integer(0, 2**64),
    "name": name,
    "started": name,
    "metrics": by_name(figure),
    "monitored": optional(figure),
    "best": fields({"epoch": count, "step": count, "monitor": optional(name), "value": optional(figure)}),
    "weights_sha256": optional(name),
    "losses_sha256": optional(name),
    "epochs": count,
    "steps": count,
    "seconds": figure,
    "lineage": optional(name),
    "stopped_early": boolean,
    "error": optional(any_text),
    "undeclared": by_name(anything),
}

texts = by_name(anything, of=anything)
# One array of the inputs, of `encore.record.inputs`; an earlier version's manifest has none.
ARRAY: dict[str, Rule] = {
    "shape": listed(count),
    "dtype": name,
    "range": optional(listed(figure)),
    "center": optional(listed(figure)),
    "scale": optional(listed(figure)),
}
# What every manifest has, and what that of a finished run has besides.
COMPARED = ("config", "code", "data")
BEGUN = ("status", "fingerprint", *COMPARED, "environment", "attempts", "seeds")
ENDED = (
    "metrics", "weights", "weights_sha256", "losses_sha256", "epochs", "steps", "batches_per_epoch", "order_sha256",
)  # fmt: skip
MANIFEST_RULES: dict[str, Rule] = {
    "status": one_of(*STATUSES),
    "fingerprint": name,
    "config": settings,
    "config_sha256": name,
    "code": fields(
        {
            "digests": by_name(any_text, of=any_text),
            "packages": anything,
            "undeclared": by_name(anything),
            "commit": optional(any_text),
            "folder": any_text,
            "files": texts,
            "untracked": texts,
            "outside": texts,
        },
        needed=("digests",),
    ),
    "environment": fields(
        {
            "variables": by_name(any_text),
            "gpus": anything,
        },
        needed=("packages", "variables", "gpus"),
    ),
    "seeds": by_name(anything),
    "data": fields(
        {
            "files": by_name(fields({"files": count, "bytes": count, "sha256": name}, needed=("sha256",)), of=any_text),
            "sizes": optional(by_name(optional(count))),
            "split_sha256": optional(name),
            "examples_sha256": optional(name),
        },
        needed=("files", "examples_sha256"),
    ),
    "inputs": optional(
        fields(
            {
                "classes": optional(listed(any_text)),
                "arrays": by_name(fields(ARRAY, needed=tuple(ARRAY)), of=any_text),
                "targets": optional(fields({"center": listed(figure), "scale": listed(figure)}, ("center", "scale"))),
            },
            needed=("classes", "arrays", "targets"),
        )
    ),
    "chosen": settings,  # by callbacks, in the place of the config's
    "attempts": listed(by_name(anything)),
    "metrics": by_name(hexadecimal),
    "weights": by_name(name),
    "weights_sha256": optional(name),
    "losses_sha256": optional(name),
    "epochs": count,
    "steps": count,
    "batches_per_epoch": count,
    "order_sha256": optional(name),
}


def read_result(folder: Path) -> dict[str, Any]:
    """A run's result.json, of the right types.

    Raises:
        InputError: it is missing or cannot be read, or holds something else.
    """
    file = folder / RESULT
    held = read_json(file, LARGEST_RESULT)
    refuse(file, "run's result", fields(RESULT_RULES, NEEDED)(held))
    held["metrics"] = {name: float(value) for name, value in held.get("metrics", {}).items()}
    return held


def read_manifest(folder: Path) -> dict[str, Any]:
    """A run's manifest.json, of the right types.

    Raises:
        InputError: it is missing or cannot be read, or holds something else.
    """
    held = read_compared(folder)
    file = folder / MANIFEST
    if held.get("schema") not in READABLE:
        raise InputError(f"{file} is not a manifest of schema {' or '.join(map(str, READABLE))}")
    needed = (*BEGUN, *ENDED) if held.get("status") == "finished" else BEGUN
    refuse(file, "run's manifest", fields({"data": fields({}, ("sizes", "split_sha256"))}, needed)(held))
    return held


def read_compared(folder: Path) -> dict[str, Any]:
    """A run's manifest as far as runs are compared by it: it has config, code and data.

    Raises:
        InputError: as `read_manifest`.
    """
    held = read_json(folder / MANIFEST)
    refuse(folder / MANIFEST, "run's manifest", fields(MANIFEST_RULES, COMPARED)(held))
    return held


def refuse(file: Path, what: str, problem: str | None) -> None:
    """Raise InputError if something is wrong with a file."""
    if problem is not None:
        raise InputError(f"{file} is no {what}: {problem}")
