"""What a command found over several runs, in every form that it is kept in."""

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

from encore.errors import CannotWrite, ConfigError
from encore.record.files import read_json, replace, write_json, write_text
from encore.results.report import NOTE, Rows, aligned, drawn, literal, markdown, number


@dataclass(frozen=True)
class Findings:
    """A table, what there is to say of it, and its figures.

    Attributes:
        name: of the files.
        title: what it is about.
        rows: the table as it is shown.
        values: the table's numbers in full precision, the first row being the heading.
        notes: sentences.
        figures: by name.
        arrays: predictions, by name; none where there are none to keep.
        runs: folders of those that took part.
        left_out: of those that did not, with the reasons.
        compared: a table of comparisons between groups; empty without any.
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
        """Show them on the terminal, and write them: what a full disk takes has been seen."""
        print(self.text())
        self.write(folder)
        print(f"\n{folder / self.name}.md")

    def text(self) -> str:
        """For a terminal."""
        parts = [self.title, "", aligned(self.rows), "", *self.notes]
        if self.compared:
            parts += ["", aligned(self.compared)]
        return "\n".join(parts)

    def csv(self) -> str:
        """A row a row of the table."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(self.values)
        return text.getvalue()

    def markdown(self) -> str:
        """The table, the notes, the figures, and what has each run again."""
        parts = [f"# {literal(self.title)}", markdown(self.rows), *map(literal, self.notes)]
        if self.compared:
            parts += ["## Comparisons", markdown(self.compared), NOTE]
        if self.left_out:
            parts += ["## Left out", "\n".join(f"- {literal(each)}" for each in self.left_out)]
        parts += [f"![{name}]({name}.png)" for name in self.figures]
        again = [f"python scripts/reproduce.py {shlex.quote(str(run))}" for run in self.runs]
        parts += ["## Again", "```bash\n" + "\n".join(again) + "\n```"]
        return "\n\n".join(parts) + "\n"


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Make the folder that findings will be written to before anything is found; take it away if it stays empty.

    Raises:
        CannotWrite: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise CannotWrite(f"--out {folder} cannot be made: {problem}") from problem
    try:
        yield
    finally:
        with suppress(OSError):  # it is not empty, or another process's end took it away
            folder.rmdir()


def claim(folder: Path, name: str, mark: str) -> None:
    """Keep a folder to one command with one set of runs: started again, it goes on; another one goes elsewhere.

    Args:
        folder: that findings are written to.
        name: of the findings.
        mark: the same for the same runs.

    Raises:
        ConfigError: the folder is another one's.
    """
    file, mine = folder / f"{name}.json", {"fingerprint": mark}
    if file.exists() and read_json(file) != mine:
        called = name.replace("_", "-")
        raise ConfigError(f"{folder} is of another {called}, or of other code: --out names a new folder")
    write_json(file, mine)


def measured(name: str, *parts: np.ndarray | None, sign: str = "") -> list[str]:
    """A row: for each part its mean over examples, [n], and the mean's standard error; – for None."""
    cells: list[str] = []
    for values in parts:
        if values is None:
            cells += ["–", "–"]
        else:
            error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else None
            cells += [f"{values.mean():{sign}.4f}", number(error)]
    return [name, *cells]
