"""The table of methods against normal classes, beside what was published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure

from course.anomaly import figures, published, scores
from course.anomaly.scores import Scored
from encore.analysis.results.findings import Findings
from encore.analysis.results.finished import differences, of_each
from encore.analysis.results.groups import groups
from encore.analysis.results.run_table import Table
from encore.analysis.results.statistics import Summary, summary
from encore.errors import ConfigError, InputError

DATA, NORMAL = "data.name", "data.normal"
FOLLOW = (DATA, NORMAL, "data.train.normal", "data.test.normal")
MEASURES = ("auroc", "false alarms", "detected")
PUBLISHED = f"deep SVDD, {published.SOURCE}"
Key = tuple[str, int]  # dataset and normal class


@dataclass(frozen=True)
class Entry:
    """What one method gives for one normal class, by measure, over seeds."""

    key: Key
    method: str
    found: dict[str, Summary]


def report(
    table: Table, left_out: list[str], by: Sequence[str], quantile: float, show: int | None, with_baselines: bool
) -> Findings:
    """Score pictures with each run, and with methods without a net.

    Args:
        table: the runs.
        left_out: runs that are not among them.
        by: the settings that define a method.
        quantile: of the validation scores, above which is an alarm.
        show: the normal class whose pictures are shown; None: the first.
        with_baselines: whether methods without a net are fitted to the same pictures.

    Raises:
        ConfigError: there is no such setting or class.
        InputError: no run can be measured.
    """
    by = list(dict.fromkeys(by))
    if any(name not in table.settings for name in (DATA, NORMAL)):
        raise InputError(
            "none of these is a run of task=one_class on data with a normal class, such as one_class_mnist"
        )
    groups(table, [DATA, NORMAL, *by], "train/loss")  # an unknown setting is refused before the work
    table, found = of_each(table, left_out, lambda run: scores.of_run(run.folder, quantile), what="scoring")
    runs = [replace(run, metrics=measures(one)) for run, one in zip(table.runs, found, strict=True)]
    entries = of_nets(replace(table, runs=runs), by)
    keys = [key_of(table, place) for place in range(len(table.runs))]
    first = {key: keys.index(key) for key in sorted(set(keys))}
    if show is not None and show not in {normal for _, normal in keys}:
        raise ConfigError(f"--show {show}: no run has that normal class")
    beside: dict[Key, dict[str, list[Scored]]] = {}
    if with_baselines:
        for key, place in first.items():
            seeds = sorted({run.seed for run, one in zip(table.runs, keys, strict=True) if one == key})
            beside[key] = scores.of_baselines(table.runs[place].folder, seeds, quantile)
        entries += of_baselines(beside)
    return Findings(
        name="anomaly",
        title=f"Anomalies told from normal pictures by {len(table.runs)} runs: area under the ROC curve",
        rows=rows(entries),
        values=values(entries),
        notes=[*notes(entries, quantile), *differences(table, [*FOLLOW, *by, *table.repeats(by)])],
        figures=pictures(table, by, keys, found, beside, show),
        arrays={},
        runs=[run.folder for run in table.runs],
        left_out=left_out,
    )


def key_of(table: Table, place: int) -> Key:
    return table.settings[DATA][place], int(table.settings[NORMAL][place])


def measures(one: Scored) -> dict[str, float]:
    return {"auroc": one.auroc, "false alarms": one.false_alarms, "detected": one.detected}


def of_nets(table: Table, by: list[str]) -> list[Entry]:
    """The runs' entries."""
    of = [groups(table, [DATA, NORMAL, *by], name) for name in MEASURES]
    return [
        Entry(
            (one[0].settings[DATA], int(one[0].settings[NORMAL])),
            " · ".join(one[0].shown[2:]),
            {name: each.summary for name, each in zip(MEASURES, one, strict=True) if each.summary},
        )
        for one in zip(*of, strict=True)
    ]


def of_baselines(beside: dict[Key, dict[str, list[Scored]]]) -> list[Entry]:
    return [
        Entry(key, method, {name: summary(measures(one)[name] for one in found) for name in MEASURES})
        for key, of in beside.items()
        for method, found in of.items()
    ]


def reference(key: Key) -> float | None:
    """The published AUROC."""
    data, normal = key
    return published.DEEP_SVDD[data][normal] if data in published.DEEP_SVDD else None


def in_order(found: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(found))


def rows(entries: list[Entry]) -> list[list[str]]:
    """A row a normal class, a column a method; the mean over classes below each dataset's."""
    methods = in_order(entry.method for entry in entries)
    of = {(entry.key, entry.method): entry.found["auroc"] for entry in entries}
    table = [["data", "normal", *methods, PUBLISHED]]
    for data in in_order(sorted(entry.key[0] for entry in entries)):
        keys = in_order(sorted(entry.key for entry in entries if entry.key[0] == data))
        for key in keys:
            cells = [cell(of.get((key, method))) for method in methods]
            table.append([data, str(key[1]), *cells, cell_of(reference(key))])
        if len(keys) > 1:
            means = [
                mean_of([of[key, method].mean if (key, method) in of else None for key in keys]) for method in methods
            ]
            table.append([data, "mean", *map(cell_of, means), cell_of(mean_of([reference(key) for key in keys]))])
    return table


def cell(found: Summary | None) -> str:
    if found is None:
        return "–"
    return f"{found.mean:.4f}" if found.std is None else f"{found.mean:.4f} ± {found.std:.4f}"


def cell_of(mean: float | None) -> str:
    return "–" if mean is None else f"{mean:.4f}"


def mean_of(found: Sequence[float | None]) -> float | None:
    """None where one is missing: a mean over other classes is another figure."""
    known = [one for one in found if one is not None]
    return fmean(known) if len(known) == len(found) else None


def values(entries: list[Entry]) -> list[list[Any]]:
    """In full precision: a row for each dataset, normal class and method."""
    parts = ("mean", "std", "low", "high")
    heading = [f"{name} {part}".replace(" ", "_") for name in MEASURES for part in parts]
    table: list[list[Any]] = [["data", "normal", "method", "n", *heading, "published_deep_svdd"]]
    for entry in sorted(entries, key=lambda entry: entry.key):
        numbers = [getattr(entry.found[name], part) for name in MEASURES for part in parts]
        table.append([*entry.key, entry.method, entry.found["auroc"].n, *numbers, reference(entry.key)])
    return table


def notes(entries: list[Entry], quantile: float) -> list[str]:
    said = [
        "Mean ± standard deviation over seeds; a method that draws nothing has one value. Nets have each run's best "
        "weights. All methods are given the same training pictures, of which the kernel density keeps some 2,000.",
        f"An alarm is a score above the {quantile:g} quantile of the validation pictures, which are all normal: "
        f"{1 - quantile:.1%} false alarms are aimed at.",
    ]
    for data in in_order(sorted(entry.key[0] for entry in entries)):
        for method in in_order(entry.method for entry in entries if entry.key[0] == data):
            of = [entry for entry in entries if (entry.key[0], entry.method) == (data, method)]
            false, hits = ([entry.found[name].mean for entry in of] for name in ("false alarms", "detected"))
            spread = f" ({min(false):.1%} to {max(false):.1%} over {len(of)} classes)" if len(of) > 1 else ""
            said.append(f"{data}, {method}: {fmean(false):.1%} false alarms{spread}, {fmean(hits):.1%} detected.")
    if any(reference(entry.key) is not None for entry in entries):
        said.append(f"{PUBLISHED}: table 1, means over ten seeds, of convolutional nets pretrained as autoencoders.")
    return said


def pictures(
    table: Table,
    by: list[str],
    keys: list[Key],
    found: list[Scored],
    beside: dict[Key, dict[str, list[Scored]]],
    show: int | None,
) -> dict[str, Figure]:
    """Figures for one normal class of each dataset: the first run of each method with it, and the baselines."""
    drawn: dict[str, Figure] = {}
    shown = {
        data: min(n for d, n in keys if d == data and show in (None, n))
        for data, normal in keys
        if show in (None, normal)
    }
    for data, normal in shown.items():
        ending = f"_{data}" if len(shown) > 1 else ""
        first: dict[str, tuple[Path, Scored]] = {}
        for place, (run, one) in enumerate(zip(table.runs, found, strict=True)):
            if keys[place] == (data, normal):
                first.setdefault(" · ".join(table.settings[name][place] for name in by), (run.folder, one))
        of = {method: one for method, (_, one) in first.items()}
        every = of | {method: each[0] for method, each in beside.get((data, normal), {}).items()}
        title = f"{data}, normal: {normal}"
        drawn[f"scores{ending}"] = figures.histograms(every, title)
        drawn[f"extremes{ending}"] = figures.extremes(first, title)
        if (again := figures.reconstructions(first, title)) is not None:
            drawn[f"reconstructions{ending}"] = again
    return drawn
