"""metrics.csv: every logged value, one row per step or epoch."""

import csv
import io
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from encore.errors import InputError
from encore.files import append, make_durable, write_text

FIRST = ("epoch", "step")


class MetricsCSV(Logger):
    """A Lightning logger whose file can be continued from any earlier state.

    Columns are `epoch` and `step`, both counted from 0, then every metric in the order of its first value; a
    cell without a value is empty. Floats are written so that they can be read back exactly.
    """

    beginning: ClassVar = {"columns": list(FIRST), "rows": 0}  # its position before the first step

    def __init__(self) -> None:
        super().__init__()
        self.file = Path("metrics.csv")
        self.columns = list(FIRST)
        self.rows = 0
        self.pending: dict[str, Any] = {}
        self.together: list[str] | None = None

    def start(self, folder: Path) -> None:
        """Write into a run's folder from now on."""
        self.file = folder / "metrics.csv"

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def version(self) -> str:
        return self.file.parent.name

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add values to their step's row."""
        if self.pending and self.pending["step"] != step:
            self.flush()
        row = {name: value for name, value in metrics.items() if name != "epoch"}
        self.pending = {"epoch": int(metrics.get("epoch", 0)), "step": step, **self.pending, **row}

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the config has its own file."""

    @rank_zero_only
    def flush(self) -> None:
        """Write the pending row; a new metric gives all rows before it an empty cell."""
        if not self.pending:
            return
        new = [name for name in self.pending if name not in self.columns]
        if new or not self.rows:
            if self.together is not None:
                self.settle()
                self.together = []
            rows = self.read()
            self.columns += new
            write_text(
                self.file,
                "".join(map(self.line, [dict(zip(self.columns, self.columns, strict=True)), *rows])),
            )
        self.write(self.line(self.pending))
        self.rows += 1
        self.pending = {}

    def write(self, line: str) -> None:
        """Add a line to the file, or to those that are written together."""
        if self.together is None:
            append(self.file, line.encode())
        else:
            self.together.append(line)

    @rank_zero_only
    def log_all(self, rows: Sequence[tuple[int, dict[str, float]]]) -> None:
        """Add the values of several steps, writing once."""
        self.together = []
        try:
            for step, metrics in rows:
                self.log_metrics(metrics, step)
        finally:
            self.settle()

    def settle(self) -> None:
        """Write the lines that are to be written together."""
        lines, self.together = self.together, None
        if lines:
            append(self.file, "".join(lines).encode())

    def line(self, row: dict[str, Any]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow([row.get(name, "") for name in self.columns])
        return text.getvalue()

    def read(self) -> list[dict[str, str]]:
        if not self.rows:
            return []
        with self.file.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))[: self.rows]

    @rank_zero_only
    def position(self) -> dict[str, Any]:
        """The file's state to continue from, once it is on disk."""
        self.flush()
        if self.rows:
            make_durable(self.file)
        return {"columns": list(self.columns), "rows": self.rows}

    def restore(self, position: dict[str, Any], source: Path) -> None:
        """Restore the state that a folder's file had at a position.

        Raises:
            InputError: the file has fewer rows.
        """
        try:
            with (source / "metrics.csv").open(newline="", encoding="utf-8") as stream:
                rows = list(islice(csv.DictReader(stream), position["rows"]))
        except (OSError, ValueError, csv.Error) as problem:
            if position["rows"]:
                raise InputError(f"{source / 'metrics.csv'} cannot be read: {problem}") from problem
            rows = []
        if len(rows) < position["rows"]:
            raise InputError(f"{source / 'metrics.csv'} is truncated: it has fewer than {position['rows']} rows")
        self.columns, self.rows = list(position["columns"]), position["rows"]
        header = dict(zip(self.columns, self.columns, strict=True))
        write_text(self.file, "".join(map(self.line, [header, *rows])))

    def finalize(self, status: str) -> None:
        self.flush()
