"""Runs of a table in groups: what each gave over its seeds, and how they compare."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from encore.compose import suggestion
from encore.errors import ConfigError, InputError
from encore.results.statistics import Comparison, Summary, compare, holm, summary
from encore.results.table import SEED, Table

# Groups up to which each is compared with every other one; more are compared with the best.
ALL_PAIRS = 6


@dataclass(frozen=True)
class Group:
    """Runs with the same settings.

    Attributes:
        settings: what they have in common that tells them from other groups.
        values: the metric of each finished run; seeds repeat where other settings differ within the group.
        seeds: of the values.
        folders: of the values' runs.
        lost: the other runs, each with its seed, status and reason.
    """

    settings: dict[str, Any]
    values: list[float]
    seeds: list[int]
    folders: list[str]
    lost: list[str]

    @property
    def label(self) -> str:
        """The settings' values; a lone group has none."""
        return " · ".join(str(value) for value in self.settings.values()) or "all runs"

    @property
    def summary(self) -> Summary | None:
        """Over the seeds; None without a finished run."""
        return summary(self.values) if self.values else None

    def by_seed(self, number: int) -> dict[int, float]:
        """The values by seed; where seeds repeat, by numbers that no other group's number has."""
        if len(set(self.seeds)) == len(self.seeds):
            return dict(zip(self.seeds, self.values, strict=True))
        return {-1 - number - 1_000_000 * place: value for place, value in enumerate(self.values)}


def groups(table: Table, by: list[str], metric: str) -> list[Group]:
    """The runs in groups, in the order in which they come.

    Raises:
        ConfigError: `by` names no setting.
        InputError: no finished run has the metric.
    """
    frame = table.frame
    for name in by:
        if name not in table.settings:
            raise ConfigError(f"--by {name} is no setting of these runs{suggestion(name, table.settings)}")
    found: dict[tuple[str, ...], Group] = {}
    for row in frame.to_dict("records"):
        settings = {name: row[name] for name in by}
        group = found.setdefault(tuple(map(str, settings.values())), Group(settings, [], [], [], []))
        value = row.get(metric)
        if row["status"] == "finished" and isinstance(value, int | float) and math.isfinite(value):
            group.values.append(float(value))
            group.seeds.append(int(row[SEED]))
            group.folders.append(row["folder"])
        else:
            group.lost.append(f"{group.label}, seed {row[SEED]}: {reason(row, metric)}")
    if not any(group.values for group in found.values()):
        metrics = [name for name in frame.columns if "/" in name]
        raise InputError(f"none of these runs is finished and has {metric}{suggestion(metric, metrics)}")
    return list(found.values())


def reason(row: dict[str, Any], metric: str) -> str:
    """Why a run has no value."""
    if row["status"] == "finished":
        return f"finished without {metric}"
    error = row["error"]
    return f"{row['status']}: {error.splitlines()[0]}" if isinstance(error, str) and error else row["status"]


@dataclass(frozen=True)
class Pair:
    """Two groups that were compared; p is adjusted for all comparisons of the report (Holm 1979)."""

    a: Group
    b: Group
    comparison: Comparison
    adjusted: float


def pairs(found: list[Group], metric: str) -> list[Pair]:
    """Each group with every other one, or where they are many with the best; as far as a comparison is possible."""
    compared = [
        (a, b, comparison)
        for (i, a), (j, b) in chosen(found, metric)
        if (comparison := compare(a.by_seed(i), b.by_seed(j))) is not None
    ]
    adjusted = holm([comparison.p for _, _, comparison in compared])
    return [Pair(*each, p) for each, p in zip(compared, adjusted, strict=True)]


def chosen(found: list[Group], metric: str) -> Iterator[tuple[tuple[int, Group], tuple[int, Group]]]:
    """Which groups are compared, with their numbers."""
    numbered = [(number, group) for number, group in enumerate(found) if group.values]
    if len(numbered) <= ALL_PAIRS:
        yield from combinations(numbered, 2)
        return
    best = (min if lower_is_better(metric) else max)(numbered, key=lambda each: fmean(each[1].values))
    yield from ((best, other) for other in numbered if other is not best)


def lower_is_better(metric: str) -> bool:
    """Whether a metric is one of errors."""
    return any(word in metric for word in ("loss", "error", "perplexity"))
