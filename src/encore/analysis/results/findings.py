"""A command's findings over several runs, in all their output formats."""

import csv
import io
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from encore.analysis.results.figure_files import drawn
from encore.analysis.results.report import NOTE
from encore.analysis.results.table_formats import Rows, aligned, fenced, literal, markdown, number, plain_cell
from encore.errors import CannotWrite, ConfigError
from encore.files import read_json, replace, write_json, write_text
from encore.record.lock import LOCK, held
from encore.terminal import harmless


@dataclass(frozen=True)
class Findings:
    """A table with notes and figures.

    Attributes:
        name: base name of the files.
        title: the heading.
        rows: the table as it is shown.
        values: the table's numbers in full precision, the first row being the heading.
        notes: sentences.
        figures: by name.
        arrays: predictions, by name; empty if there are none to keep.
        runs: folders of the runs used.
        left_out: runs that were not used, with the reasons.
        compared: a table of comparisons between groups; may be empty.
    """

    name: str
    title: str
    rows: Rows
    values: Sequence[Sequence[Any]]
    notes: list[str]
    figures: Mapping[str, Figure]
    arrays: Mapping[str, np.ndarray]
    runs: Sequence[Path]
    left_out: list[str]
    compared: Rows = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write NAME.md, .csv and .npz, and the figures as PNG and SVG."""
        for name, figure in self.figures.items():
            for kind in ("png", "svg"):
                replace(folder / f"{name}.{kind}", drawn(figure, kind))
        if self.arrays:
            packed = io.BytesIO()
            np.savez(packed, **self.arrays)  # type: ignore[arg-type]
            replace(folder / f"{self.name}.npz", packed.getvalue())
        write_text(folder / f"{self.name}.csv", self.csv())
        write_text(folder / f"{self.name}.md", self.markdown())

    def conclude(self, folder: Path) -> None:
        """Print them, then write them, so that a full disk does not lose them."""
        print(harmless(self.text()))
        self.write(folder)
        print(f"\n{folder / self.name}.md")

    def text(self) -> str:
        parts = [self.title, "", aligned(self.rows), "", *self.notes]
        if self.compared:
            parts += ["", aligned(self.compared)]
        return "\n".join(parts)

    def csv(self) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(map(plain_cell, row) for row in self.values)
        return text.getvalue()

    def markdown(self) -> str:
        parts = [f"# {literal(self.title)}", markdown(self.rows), *map(literal, self.notes)]
        if self.compared:
            parts += ["## Comparisons", markdown(self.compared), NOTE]
        if self.left_out:
            parts += ["## Left out", "\n".join(f"- {literal(each)}" for each in self.left_out)]
        parts += [f"![{name}]({name}.png)" for name in self.figures]
        again = [f"encore reproduce {shlex.quote(str(run))}" for run in self.runs]
        parts += ["## Again", fenced(again)]
        return "\n\n".join(parts) + "\n"


@contextmanager
def kept_in(folder: Path, option: str = "--out") -> Iterator[None]:
    """Create the folder for findings before the work starts; remove what was made of it if it stays empty.

    Raises:
        CannotWrite: it cannot be created.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CannotWrite(f"{option} {folder} cannot be made: {problem}") from problem
    try:
        yield
    finally:
        with suppress(OSError):  # it is not empty, or another process has removed it
            for path in made:
                path.rmdir()


@contextmanager
def claimed(folder: Path, name: str, mark: str) -> Iterator[None]:
    """Reserve a folder for one command with one set of runs: the same command may continue there, no other.

    What ends without anything to keep leaves nothing in a folder that it made.

    Args:
        folder: the folder for findings.
        name: name of the findings.
        mark: identifies the set of runs.

    Raises:
        Busy: another process works on it.
        CannotWrite: it cannot be made.
        ConfigError: the folder belongs to another command or set of runs.
    """
    file, mine = folder / f"{name}.json", {"fingerprint": mark}
    with kept_in(folder), held(folder):
        if known := file.exists():
            if read_json(file) != mine:
                called = name.replace("_", "-")
                raise ConfigError(
                    f"{folder} belongs to another {called}, or to different code: choose a new folder with --out"
                )
        else:
            write_json(file, mine)
        try:
            yield
        except BaseException:
            if not known and {entry.name for entry in folder.iterdir()} <= {file.name, LOCK}:
                file.unlink()
                (folder / LOCK).unlink(missing_ok=True)
            raise


def measured(name: str, *parts: np.ndarray | None, sign: str = "") -> list[str]:
    """A row: each part's mean over examples, [n], and its standard error; – for None."""
    cells: list[str] = []
    for values in parts:
        if values is None:
            cells += ["–", "–"]
        else:
            error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else None
            cells += [f"{values.mean():{sign}.4f}", number(error)]
    return [name, *cells]
