"""A record, in the run's folder, of what a logger that cannot rewind has received."""

import json
from pathlib import Path
from typing import Any

from encore.files import append, read_whole, write_text

LARGEST = 2**30  # bytes


class Journal:
    """The last step delivered for every name, and the service's run it was delivered to.

    A line is written before each delivery: if the process is killed in between, the logger may miss one value but
    never has one twice. `metrics.csv` has them all.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.last: dict[str, int] = {}
        self.key: str | None = None
        self.described = False
        self.found = file.exists()
        if self.found:
            for line in read_whole(file, LARGEST).decode(errors="replace").splitlines():
                self.fold(line)

    def fold(self, line: str) -> None:
        """Apply a line; the last one may be cut off."""
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(entry, dict) or not isinstance(entry.get("last", {}), dict):
            return
        self.last |= entry.get("last", {})
        self.key = entry.get("key", self.key)
        self.described = entry.get("described", self.described)

    def begin(self) -> None:
        """Write everything known as one line."""
        content = {"key": self.key, "described": self.described, "last": self.last}
        write_text(self.file, json.dumps(content) + "\n")

    def add(self, **entry: Any) -> None:
        line = json.dumps(entry)
        self.fold(line)
        append(self.file, f"{line}\n".encode())
