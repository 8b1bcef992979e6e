"""What a check of a GPU found: rows, a table of them, and their JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from encore.files import read_json, write_json

OK, FAILED, NOT_MEASURED = "ok", "FAILED", "not measured"
NO_GPU = "no CUDA device"
HEAD = f"{'part':17} {'what':44} {'status':13} {'value':>16}"
LONGEST = 300  # characters of a note on the terminal; the JSON file has all of it


@dataclass(frozen=True)
class Row:
    """One thing that was tried or measured.

    Attributes:
        part: of the check that it belongs to.
        what: was tried.
        status: `ok`, `FAILED`, or `not measured`.
        value: the figure, if it is one.
        unit: of the figure, such as `s` or `MiB`; `×` of a ratio.
        note: what else is worth knowing; why it failed, or was not measured.
    """

    part: str
    what: str
    status: str = OK
    value: float | None = None
    unit: str = ""
    note: str = ""

    def line(self) -> str:
        note = self.note if len(self.note) <= LONGEST else f"{self.note[:LONGEST]}…"
        return f"{self.part:17} {self.what:44} {self.status:13} {self.figure:>16}  {note}".rstrip()

    @property
    def figure(self) -> str:
        """The value with its unit."""
        if self.value is None:
            return ""
        return f"{self.value:{',.0f' if abs(self.value) >= 1000 else '.3g'}} {self.unit}".strip()


def summary(rows: Sequence[Row]) -> str:
    """How many rows there are of each status."""
    counts = Counter(row.status for row in rows)
    return ", ".join(f"{counts[status]} {status}" for status in (OK, FAILED, NOT_MEASURED))


def write(rows: Sequence[Row], machine: dict[str, Any], file: Path) -> None:
    """Write all rows, and the machine, as JSON; at any moment the file is whole."""
    write_json(file, {"machine": machine, "rows": [asdict(row) for row in rows]})


def read(file: Path) -> list[Row]:
    return [Row(**row) for row in read_json(file)["rows"]]
