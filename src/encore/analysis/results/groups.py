"""Groups of runs: their results over repetitions, such as seeds, and comparisons between groups."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from os.path import commonprefix
from statistics import fmean
from typing import Any

from encore.analysis.results.metrics import first_reaching
from encore.analysis.results.run_table import Table
from encore.analysis.results.statistics import Comparison, Summary, compare, holm, summary
from encore.config.directions import UNTIL
from encore.config.suggestion import suggestion
from encore.errors import ConfigError, InputError
from encore.record.result import Result

# Up to this many groups, all pairs are compared; beyond it, each with the best only.
ALL_PAIRS = 6
LONGEST = 32  # characters of a setting's value in a label

# Identifies a run within its group: its seed and, where these vary, its resample and fold.
Repetition = tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Runs with the same settings.

    Attributes:
        settings: the shared settings that distinguish them from other groups.
        found: the metric of every finished run, by repetition; several if other settings differ.
        folders: of these runs.
        lost: the other runs, each with repetition, status and reason.
        short: long values of the settings, as labels have them.
    """

    settings: dict[str, str]
    found: dict[Repetition, list[float]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    short: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The settings' values, long ones shortened; `all runs` for a single group."""
        return " · ".join(self.short.get(value) or brief(value) for value in self.settings.values()) or "all runs"

    @property
    def shown(self) -> list[str]:
        """The settings' values, long numbers shortened."""
        return [brief(value) for value in self.settings.values()]

    @property
    def by_repetition(self) -> dict[Repetition, float]:
        """One value per repetition, a mean if it has several: runs with one seed are not independent."""
        return {repetition: fmean(values) for repetition, values in sorted(self.found.items())}

    def mean(self) -> float:
        """Over the finished runs; there must be at least one."""
        return fmean(self.by_repetition.values())

    @property
    def summary(self) -> Summary | None:
        """Over the repetitions; None without a finished run."""
        return summary(self.by_repetition.values()) if self.found else None


def groups(table: Table, by: list[str], metric: str) -> list[Group]:
    """The runs in groups, in order of appearance.

    Raises:
        ConfigError: `by` names no setting.
        InputError: no finished run has the metric.
    """
    check(by, table)
    found: dict[tuple[str, ...], Group] = {}
    known: dict[tuple[Any, ...], tuple[tuple[str, ...], Result]] = {}
    short = shortened(table, by)
    repeats = table.repeats(by)
    repetitions = zip(*(table.settings[name] for name in repeats), strict=True)
    for run, repetition, *values in zip(table.runs, repetitions, *(table.settings[name] for name in by), strict=True):
        group = found.setdefault(tuple(values), Group(dict(zip(by, values, strict=True)), short=short))
        value = value_of(run, metric)
        which = ", ".join(f"{name} {value}" for name, value in zip(repeats, repetition, strict=True))
        trained = (tuple(values), run.weights_sha256, run.losses_sha256)
        first = known.setdefault(trained, (repetition, run)) if run.weights_sha256 else (repetition, run)
        if first[0] != repetition:
            same = f"has the same weights and losses as {first[1].folder}, and counts once"
            group.lost.append(f"{group.label}, {which}: {run.folder} {same}")
        elif run.status == "finished" and isinstance(value, int | float) and math.isfinite(value):
            group.found.setdefault(tuple(map(int, repetition)), []).append(float(value))
            group.folders.append(str(run.folder))
        else:
            group.lost.append(f"{group.label}, {which}: {reason(run, metric)}")
    if not any(group.found for group in found.values()):
        metrics = {name for run in table.runs for name in run.metrics}
        closed = metric.startswith("test/") and "false" in set(table.settings.get("test", ()))
        why = "; test=false left the test set closed: --metric val/accuracy" if closed else suggestion(metric, metrics)
        raise InputError(f"none of these runs is finished and has {metric}{why}")
    return list(found.values())


def check(by: Sequence[str], table: Table) -> None:
    """Raise ConfigError if `by` names something that is not a setting."""
    for name in by:
        if name not in table.settings:
            raise ConfigError(f"--by {name} is not a setting of these runs{suggestion(name, table.settings)}")


def value_of(run: Result, metric: str) -> float | None:
    """A run's value of a metric: the last, or the best for a name such as `best val/loss`.

    Of `epochs to train/loss 0.01` it is the first epoch in which the training loss is 0.01 or less; None if none is.
    """
    if metric == f"best {run.best.get('monitor')}":
        return run.monitored
    if metric.startswith(UNTIL):
        name, _, figure = metric.removeprefix(UNTIL).rpartition(" ")
        with suppress(InputError, ValueError):
            return first_reaching(run.folder, name, float(figure))
    return run.metrics.get(metric)


def reason(run: Result, metric: str) -> str:
    if run.status == "finished":
        return f"finished with {metric} = {run.metrics[metric]}" if metric in run.metrics else f"has no {metric}"
    return f"{run.status}: {run.error.splitlines()[0]}" if run.error else run.status


@dataclass(frozen=True)
class Pair:
    """Two groups that were compared; p is adjusted for all comparisons of the report (Holm 1979)."""

    a: Group
    b: Group
    comparison: Comparison
    adjusted: float


def pairs(found: list[Group], lower: bool, over: str = "seeds") -> list[Pair]:
    """Compare each pair of groups, or each with the best if there are many, where a comparison is possible.

    Args:
        found: the groups.
        lower: whether lower values are better.
        over: what several repetitions are called.
    """
    compared = [
        (a, b, comparison)
        for a, b in chosen([group for group in found if group.found], lower)
        if (comparison := compare(a.by_repetition, b.by_repetition, over)) is not None
    ]
    adjusted = holm([comparison.p for _, _, comparison in compared])
    return [Pair(*each, p) for each, p in zip(compared, adjusted, strict=True)]


def chosen(found: list[Group], lower: bool) -> Iterator[tuple[Group, Group]]:
    """The pairs of groups to compare."""
    if len(found) <= ALL_PAIRS:
        yield from combinations(found, 2)
        return
    best = (min if lower else max)(found, key=Group.mean)
    yield from ((best, other) for other in found if other is not best)


def brief(value: str) -> str:
    """A setting's value for display: numbers to four digits."""
    value = " ".join(value.split())
    try:
        return f"{float(value):.4g}" if len(value) > 8 else value
    except ValueError:
        return value


def shortened(table: Table, names: Iterable[str]) -> dict[str, str]:
    """The long values of some settings, as labels have them."""
    return {value: text for name in names for value, text in short_of(dict.fromkeys(table.settings[name])).items()}


def short_of(values: Iterable[str]) -> dict[str, str]:
    """Long values without what they begin and end with alike, and cut in the middle if they still are long.

    Those that become the same are numbered.
    """
    long = {value: text for value in values if len(text := brief(value)) > LONGEST}
    short = list(long.values())
    for boundary in ("/", r"\W"):  # whole names of folders, if that is enough
        if max(map(len, short), default=0) > LONGEST:
            short = without_shared(list(long.values()), boundary)
    short = [cut(text, LONGEST) for text in short]
    times, number = Counter(short), Counter[str]()
    for place, text in enumerate(short):
        number[text] += 1
        short[place] = f"{text} ({number[text]})" if times[text] > 1 else text
    return dict(zip(long, short, strict=True))


def without_shared(texts: list[str], boundary: str) -> list[str]:
    """Several texts without what they begin with alike, up to the last boundary in it, and end with alike.

    Args:
        texts: a single one stays as it is.
        boundary: a pattern.
    """
    if len(texts) < 2:
        return texts
    beginning = commonprefix(texts)  # noqa: RUF071 (of characters)
    begin = max((found.start() for found in re.finditer(boundary, beginning)), default=0)
    ending = commonprefix([text[begin:][::-1] for text in texts])  # noqa: RUF071
    end = max((found.start() for found in re.finditer(boundary, ending)), default=0)
    return [f"{'…' * bool(begin)}{text[begin : len(text) - end]}{'…' * bool(end)}" for text in texts]


def cut(text: str, longest: int) -> str:
    """A text with its middle left out if it is longer than that."""
    return text if len(text) <= longest else f"{text[: longest // 2 - 1]}…{text[-longest // 2 :]}"


def number_of(label: str) -> float | None:
    """The number in a setting's text, or in a list of one; None for anything else."""
    try:
        return float(label.strip("[]"))
    except ValueError:
        return None
