"""What a check of a GPU found: rows, a table of them, and their JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OK, FAILED, NOT_MEASURED = "ok", "FAILED", "not measured"
NO_GPU = "no CUDA device"


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
        figure = "" if self.value is None else f"{self.value:,.3g} {self.unit}".strip()
        return f"{self.part:12} {self.what:44} {self.status:13} {figure:>12}  {self.note}".rstrip()


def table(rows: Sequence[Row]) -> str:
    head = f"{'part':12} {'what':44} {'status':13} {'value':>12}"
    return "\n".join([head, *(row.line() for row in rows)])


def write(rows: Sequence[Row], machine: dict[str, Any], file: Path) -> None:
    """Write all rows, and the machine, as JSON."""
    content = {"machine": machine, "rows": [asdict(row) for row in rows]}
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read(file: Path) -> list[Row]:
    return [Row(**row) for row in json.loads(file.read_text(encoding="utf-8"))["rows"]]
