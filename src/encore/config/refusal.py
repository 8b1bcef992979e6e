"""How a value that is refused is shown."""

import re
from typing import Any

from encore.config.facts import show

# What Hydra reads as something else than a text, unless it stands in quotes.
NO_TEXT = re.compile(r"[+-]?([._]*\d[\d._]*(e[+-]?\d+)?|nan|inf)|true|false|null", re.IGNORECASE)


def refused(path: str, value: Any, problem: str) -> str:
    """What is wrong with a setting's value; a text such as '2' is told from the number."""
    if isinstance(value, str) and NO_TEXT.fullmatch(value):
        return f"{path}={value!r}: {problem}; {value!r} in quotes is a text"
    return f"{path}={show(value)}: {problem}"
