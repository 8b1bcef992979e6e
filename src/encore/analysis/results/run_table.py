"""Runs as a table: one row per run, with settings and results."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from encore.config.defaults import COSMETIC, OF_USE, OF_VIEWS
from encore.config.facts import leaves
from encore.errors import InputError
from encore.provenance.former_names import present
from encore.record import seal
from encore.record.identity import check_identity
from encore.record.reading import read_compared
from encore.record.result import Result

# Settings that are varied to see how a result spreads, and their plural names.
REPEATED = {"seed": "seeds", "data.bootstrap": "resamples", "data.fold": "folds"}
# Parts of a config that are not compared.
NOT_COMPARED = (*COSMETIC, *OF_VIEWS, *OF_USE, "threads", "task.metrics", "data.sha256")
ABSENT = "–"  # a setting that a run lacks
WRITTEN = json.JSONEncoder(ensure_ascii=False)


@dataclass(frozen=True)
class Table:
    """The runs that were read, each once.

    Attributes:
        runs: in the order in which they were given.
        settings: one row per run, one column per setting by dotted path, all as text; `${seed}` for what follows from
            the run's seed.
        code: by run, the digest of each source file.
        data: by run, the digest of each data file, or of the examples if there is no file.
    """

    runs: list[Result]
    settings: pd.DataFrame
    code: list[dict[str, str]]
    data: list[dict[str, str]]

    def only(self, places: Sequence[int]) -> "Table":
        """Some of the runs, by their places."""
        settings = self.settings.iloc[list(places)].reset_index(drop=True)
        runs, code, data = ([of[place] for place in places] for of in (self.runs, self.code, self.data))
        return Table(runs, settings, code, data)  # type: ignore[arg-type]

    def different(self) -> list[str]:
        """The settings that are not the same in all runs."""
        counts = self.settings.nunique()
        return [str(name) for name in counts.index[counts > 1]]

    def varied(self) -> list[str]:
        """The settings that differ and are not repetitions."""
        return [name for name in self.different() if name not in self.repeats()]

    def repeats(self, by: Sequence[str] = ()) -> list[str]:
        """What distinguishes runs of a group: seeds, resamples, folds; the seed if nothing is repeated.

        Args:
            by: the settings that define the groups.
        """
        found = [name for name in self.different() if name in REPEATED and name not in by]
        # Runs with and without a bootstrap are not repetitions of each other.
        return [name for name in found if self.settings[name].str.isdecimal().all()] or ["seed"]


def read(folders: Iterable[Path]) -> tuple[Table, list[str]]:
    """Read run folders.

    Returns:
        The table, and what could not be read or is a duplicate.
    """
    runs, rows, code, data, left_out = [], [], [], [], []
    known: dict[str, Path] = {}
    for folder in folders:
        try:
            run, held = Result.read(folder), read_compared(folder)
            seal.check(folder, "metrics.csv")
            row = compared(present(held["config"]))
            digests, files = held["code"]["digests"], held["data"]
            examples = {
                name: file["sha256"]
                for name, file in files["files"].items()
                if not name.startswith(("init_from", "continue_from/"))
            }
            check_identity(run, held)
        except InputError as problem:
            left_out.append(str(problem))
            continue
        if run.fingerprint in known:
            left_out.append(f"{folder} is the same run as {known[run.fingerprint]}")
            continue
        known[run.fingerprint] = folder
        runs.append(run)
        rows.append({**row, "seed": str(run.seed)})
        code.append(digests)
        data.append(examples or {"examples": files["examples_sha256"]})
    return Table(runs, without_seeds(pd.DataFrame(rows, dtype=object).fillna(ABSENT)), code, data), left_out


def without_seeds(settings: pd.DataFrame) -> pd.DataFrame:
    """Settings with `${seed}` in values that follow from the run's seed, such as `init_from=…/seed${seed}-`."""
    kept = {str(name): column for name, column in settings.items()}
    varied = [name for name in kept if name not in REPEATED and settings[name].nunique() > 1]
    return settings.assign(**{name: of_seeds(kept[name].tolist(), kept["seed"].tolist()) for name in varied})


def of_seeds(values: list[str], seeds: list[str]) -> list[str]:
    """A setting's values, with `${seed}` in those that are the same but for the seeds of their runs."""
    seeds_of: dict[str, set[str]] = {}
    for value, seed in zip(values, seeds, strict=True):
        seeds_of.setdefault(value, set()).add(seed)
    tied = {value: without_seed(value, *own) for value, own in seeds_of.items() if len(own) == 1}
    alike: dict[str, list[str]] = {}
    for value, rest in tied.items():
        alike.setdefault(rest, []).append(value)
    # Two values of one seed, such as runs of other code, differ in more than the seed.
    shown = {
        value: rest
        for rest, each in alike.items()
        if 1 < len(each) == len({seed for value in each for seed in seeds_of[value]})
        for value in each
    }
    return [shown.get(value, value) for value in values]


def without_seed(value: str, seed: str) -> str:
    """A value with `${seed}` for the seed: in the names of runs' folders, with their fingerprints, or else anywhere."""
    of_runs = re.sub(rf"(?<=seed){re.escape(seed)}(-[0-9a-f]{{10}})?(?!\d)", "${seed}", value)
    return of_runs if of_runs != value else re.sub(rf"(?<![\d.]){re.escape(seed)}(?![\d.]*\d)", "${seed}", value)


def compared(cfg: dict[str, Any]) -> dict[str, str]:
    """A config's comparable settings, by dotted path, as text."""
    return {name: text(value) for path, value in leaves(cfg) if (name := shown(path)) is not None}


@lru_cache(maxsize=10_000)
def shown(path: str) -> str | None:
    """A setting's path, printable; None if it is not compared."""
    return None if f"{path}.".startswith(tuple(f"{name}." for name in NOT_COMPARED)) else text(path)


def text(value: Any) -> str:
    """A setting's value, printable; 1 and 1.0 are the same."""
    return text_of_one(value) if isinstance(value, str | int | float) else WRITTEN.encode(value)


@lru_cache(maxsize=10_000, typed=True)
def text_of_one(value: str | float | bool) -> str:
    """The same of a text, number or truth value."""
    if isinstance(value, str):
        return value if " ".join(value.split()).isprintable() else json.dumps(value)
    return WRITTEN.encode(value) if isinstance(value, bool) else f"{value:.12g}"


def differing(table: Table) -> list[str]:
    """The fewest settings that distinguish the runs, apart from repetitions: names before what follows from them."""
    chosen: list[str] = []
    groups = 1
    for name in sorted(table.varied(), key=lambda path: not path.endswith(".name")):
        more = len(table.settings[[*chosen, name]].drop_duplicates())
        if more > groups:
            chosen, groups = [*chosen, name], more
    return chosen


def ordered(table: Table) -> Table:
    """The runs by their settings and seeds, numbers by size, wherever their folders are."""
    names = [*differing(table), *(name for name in table.repeats() if name in table.different())]
    rows = table.settings[names].values.tolist()
    return table.only(sorted(range(len(rows)), key=lambda place: [number_first(value) for value in rows[place]]))


def number_first(text: str) -> tuple[float, str]:
    """A sort key: numbers by size, before other values."""
    try:
        return float(text), ""
    except ValueError:
        return float("inf"), text


def beside(table: Table, by: list[str]) -> tuple[list[str], list[str]]:
    """Settings that differ besides those that define the groups: between groups only, and within a group.

    Settings of a part chosen by name, such as the optimiser's, belong to that choice.
    """
    parts = {name.removesuffix("name") for name in by if name.endswith(".name")}
    rest = [name for name in table.varied() if name not in by]
    most = table.settings.groupby(by, sort=False)[rest].nunique().max() if by else dict.fromkeys(rest, 2)
    within = [name for name in rest if most[name] > 1]
    between = [name for name in rest if name not in within and not name.startswith(tuple(parts))]
    return between, within


def mixture(table: Table) -> list[str]:
    """What makes the runs incomparable: source and data files that are not the same in all of them."""
    return [
        f"{kind} {name}"
        for kind, digests in (("code", table.code), ("data", table.data))
        for name in sorted({name for of_run in digests for name in of_run})
        if len({of_run[name] for of_run in digests if name in of_run}) > 1
    ]
