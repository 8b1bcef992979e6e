"""Runs as a table: a row a run, with its settings and what it gave."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from encore import fingerprint
from encore.config import leaves
from encore.errors import InputError
from encore.record.files import read_json
from encore.record.result import Result

# What is repeated to see how a result spreads, and what several are called.
REPEATED = {"seed": "seeds", "data.bootstrap": "resamples", "data.fold": "folds"}
# Of a config, what is no choice to be compared.
NOT_COMPARED = (*fingerprint.COSMETIC, "threads", "task.metrics", "data.sha256")
ABSENT = "–"  # a setting that a run has not


@dataclass(frozen=True)
class Table:
    """Runs that were read, each once.

    Attributes:
        runs: in the order in which they were given.
        settings: a row a run, a column a setting by its dotted path, all as text.
        code: by run, the digest of each source file.
        data: by run, the digest of each data file, or of the examples where there is none.
    """

    runs: list[Result]
    settings: pd.DataFrame
    code: list[dict[str, str]]
    data: list[dict[str, str]]

    def different(self) -> list[str]:
        """The settings that are not the same in all runs."""
        counts = self.settings.nunique()
        return [str(name) for name in counts.index[counts > 1]]

    def varied(self) -> list[str]:
        """Those of them that are not repeated."""
        return [name for name in self.different() if name not in self.repeats()]

    def repeats(self, by: Sequence[str] = ()) -> list[str]:
        """What tells runs of one group apart: seeds, resamples, folds; where nothing is repeated, the seed.

        Args:
            by: the settings that make the groups.
        """
        found = [name for name in self.different() if name in REPEATED and name not in by]
        # Runs with and without a bootstrap are no repetitions of each other.
        return [name for name in found if self.settings[name].str.isdecimal().all()] or ["seed"]


def read(folders: Iterable[Path]) -> tuple[Table, list[str]]:
    """Read run folders.

    Returns:
        The table, and what could not be read, or is there twice.
    """
    runs, rows, code, data, left_out = [], [], [], [], []
    known: dict[str, Path] = {}
    for folder in folders:
        try:
            run, held = Result.read(folder), read_json(folder / "manifest.json")
            row = compared(held["config"])
            digests, files = dict(held["code"]["digests"]), held["data"]
            examples = {name: file["sha256"] for name, file in files["files"].items()}
            if not (isinstance(run.metrics, dict) and isinstance(run.seed, int)):
                raise TypeError(run)
        except (InputError, KeyError, TypeError, ValueError, AttributeError) as problem:
            left_out.append(str(problem) if isinstance(problem, InputError) else f"{folder} is no run's folder")
            continue
        if run.fingerprint in known:
            left_out.append(f"{folder} is the same run as {known[run.fingerprint]}")
            continue
        known[run.fingerprint] = folder
        runs.append(run)
        rows.append({**row, "seed": str(run.seed)})
        code.append(digests)
        data.append(examples or {"examples": files["examples_sha256"]})
    return Table(runs, pd.DataFrame(rows, dtype=object).fillna(ABSENT), code, data), left_out


def compared(cfg: dict[str, Any]) -> dict[str, str]:
    """A config's settings that can be compared, by dotted path, as text."""
    aside = tuple(f"{name}." for name in NOT_COMPARED)
    return {path: text(value) for path, value in leaves(cfg) if not f"{path}.".startswith(aside)}


def text(value: Any) -> str:
    """A setting's value; 1 and 1.0 are the same."""
    if isinstance(value, str):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.12g}" if number else json.dumps(value, ensure_ascii=False)


def differing(table: Table) -> list[str]:
    """The fewest settings that tell the runs apart, repetitions aside: names before what follows from them."""
    chosen: list[str] = []
    groups = 1
    for name in sorted(table.varied(), key=lambda path: not path.endswith(".name")):
        more = len(table.settings[[*chosen, name]].drop_duplicates())
        if more > groups:
            chosen, groups = [*chosen, name], more
    return chosen


def beside(table: Table, by: list[str]) -> tuple[list[str], list[str]]:
    """The settings that differ beside those that make the groups: between groups only, and within a group.

    What belongs to a part that is chosen by its name, such as the optimiser's, is a part of that choice.
    """
    parts = {name.removesuffix("name") for name in by if name.endswith(".name")}
    rest = [name for name in table.varied() if name not in by]
    most = table.settings.groupby(by, sort=False)[rest].nunique().max() if by else dict.fromkeys(rest, 2)
    within = [name for name in rest if most[name] > 1]
    between = [name for name in rest if name not in within and not name.startswith(tuple(parts))]
    return between, within


def mixture(table: Table) -> list[str]:
    """What makes the runs incomparable: source files, and data files, that are not the same in all of them."""
    return [
        f"{kind} {name}"
        for kind, digests in (("code", table.code), ("data", table.data))
        for name in sorted({name for of_run in digests for name in of_run})
        if len({of_run[name] for of_run in digests if name in of_run}) > 1
    ]
