"""Runs as a table: a row a run, with its settings and what it gave."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from encore import fingerprint
from encore.errors import InputError
from encore.record.files import read_json
from encore.record.result import Result

# What tells runs of a group apart.
SEED = "seed"
# Of a config, what is no choice to be compared: where things are, how they are shown, what a name stands for.
NOT_COMPARED = (*fingerprint.COSMETIC, "callbacks", "monitor", "threads", "task.metrics", "data.sha256", "claims")


@dataclass(frozen=True)
class Table:
    """Runs that were read.

    Attributes:
        frame: a row a run: `folder`, `status`, `error`, then its settings by dotted path, then its metrics, whose names
            hold a `/`.
        settings: the columns that are settings.
        code: by run, the digest of each source file.
        data: by run, the digest of each data file, or of the examples where there is none.
    """

    frame: pd.DataFrame
    settings: list[str]
    code: list[dict[str, str]]
    data: list[dict[str, str]]


def read(folders: Iterable[Path]) -> tuple[Table, list[str]]:
    """Read run folders.

    Returns:
        The table, and what could not be read, with the reason.
    """
    settings: dict[str, None] = {}
    rows, code, data, left_out = [], [], [], []
    for folder in folders:
        try:
            result, held = Result.read(folder), read_json(folder / "manifest.json")
            chosen = flat(held["config"])
            row = {"folder": str(folder), "status": result.status, "error": result.error, **chosen, **result.metrics}
            files, digests = held["data"], held["code"]["digests"]
            examples = {name: file["sha256"] for name, file in files["files"].items()}
        except (InputError, KeyError, TypeError, AttributeError) as problem:
            left_out.append(str(problem) if isinstance(problem, InputError) else f"{folder} is no run's folder")
            continue
        rows.append(row)
        settings |= dict.fromkeys(chosen)
        code.append(digests)
        data.append(examples or {"examples": files["examples_sha256"]})
    return Table(pd.DataFrame(rows), list(settings), code, data), left_out


def flat(cfg: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A config's settings that can be compared, by dotted path; lists as text."""
    found: dict[str, Any] = {}
    for key, value in cfg.items():
        path = f"{prefix}{key}"
        if path in NOT_COMPARED:
            continue
        if isinstance(value, dict) and value:
            found |= flat(value, f"{path}.")
        else:
            found[path] = value if isinstance(value, str | int | float | bool) else json.dumps(value)
    return found


def differing(table: Table) -> list[str]:
    """The fewest settings that tell the runs apart, seeds aside: names before what follows from them."""
    frame = table.frame
    varied = [name for name in table.settings if name != SEED and frame[name].astype(str).nunique(dropna=False) > 1]
    chosen: list[str] = []
    groups = 1
    for name in sorted(varied, key=lambda path: not path.endswith(".name")):
        more = frame[[*chosen, name]].astype(str).drop_duplicates().shape[0]
        if more > groups:
            chosen, groups = [*chosen, name], more
    return chosen


def mixture(table: Table) -> list[str]:
    """What makes the runs incomparable: source files, and data files, that are not the same in all of them."""
    return [
        f"{kind} {name}"
        for kind, digests in (("code", table.code), ("data", table.data))
        for name in sorted({name for of_run in digests for name in of_run})
        if len({of_run[name] for of_run in digests if name in of_run}) > 1
    ]
