"""List runs: those that meet conditions, sorted, the best; put runs into a bin, or free their checkpoints."""

import argparse
import sys
from typing import Any

from encore.analysis.results.conditions import ALSO, FACTS, Condition, Runs, since
from encore.analysis.results.runs import results
from encore.config.facts import MISSING, show
from encore.config.named_runs import a_run, runs_dir
from encore.errors import ConfigError
from encore.files import json_of
from encore.record import seal
from encore.record.result import Result
from encore.terminal import harmless, tell_left_out

HEADINGS = {"started": "started (UTC)", "name": "run"}
EXAMPLES = """\
encore runs --where 'optim.lr>0.01' --where model.name=mlp --sort test/accuracy --best 5
encore runs --since 3d --columns name,seed,optim.lr,test/accuracy
encore runs --delete 3f2a              puts the run whose fingerprint begins so into a bin
encore runs --where data.name=mnist --keep-best 3     frees the checkpoints of all others
"""


def main() -> int:
    wanted = arguments()
    if wanted.delete:
        check_alone(wanted)
        from encore.analysis.results.disposal import delete

        return delete(wanted.delete, sure=wanted.yes)
    conditions, begin = [Condition.parse(word) for word in wanted.where], wanted.since and since(wanted.since)
    found, unreadable = results(wanted.folder)
    runs = Runs(found, unreadable).where(conditions, begin)
    if wanted.keep_best is not None:
        from encore.analysis.results.disposal import keep_best

        return keep_best(runs, wanted.keep_best, wanted.metric, sure=wanted.yes)
    if wanted.sort or wanted.best is not None:
        runs = runs.sorted(wanted.sort or shown_metric(runs, wanted.metric))
    runs.found = runs.found[: wanted.best]
    columns = columns_of(runs, wanted)
    if wanted.json:
        print(json_of([record(runs, run, columns if wanted.columns else None) for run in runs.found]), end="")
    else:
        print_table(runs, columns)
    tell_left_out(dict.fromkeys(runs.unreadable))
    if said := seal.unsealed(run.folder for run in runs.found if run.status in seal.OVER):
        print(said, file=sys.stderr)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=a_run, default=runs_dir(), help=f"folder of the runs ({runs_dir()})")
    parser.add_argument(
        "--where", action="append", default=[], metavar="CONDITION",
        help=f"a setting, a metric or one of {', '.join(FACTS)}, with =, !=, <, <=, > or >=; may be repeated",
    )  # fmt: skip
    parser.add_argument("--since", metavar="WHEN", help="started since: 2026-11-01, or 3d, 12h, 30m ago")
    parser.add_argument("--sort", metavar="NAME", help="by what; a metric's best first; -NAME: the greatest first")
    parser.add_argument("--best", type=int, metavar="N", help="only the first N, sorted by --metric unless --sort says")
    parser.add_argument("--metric", help="metric to show, and to choose by (test/accuracy; --keep-best: the monitored)")
    parser.add_argument("--columns", type=names, metavar="A,B,C", help="what to show: facts, metrics, settings")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, or --columns of it")
    parser.add_argument(
        "--delete", nargs="+", type=a_run, metavar="RUN", help="move runs into a bin; says the way back"
    )
    parser.add_argument(
        "--keep-best", type=int, metavar="N", help="free the checkpoints of all but the best N on each dataset"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    wanted = parser.parse_args(joined(sys.argv[1:]))
    for option, least in (("best", 1), ("keep_best", 0)):
        if (given := getattr(wanted, option)) is not None and given < least:
            raise ConfigError(f"--{option.replace('_', '-')} {given}: must be at least {least}")
    return wanted


def check_alone(wanted: argparse.Namespace) -> None:
    """Raise ConfigError if something beside --delete looks as if it chose which runs are deleted."""
    choosing = ("where", "since", "sort", "best", "metric", "columns", "json", "keep_best")
    values = {f"--{name.replace('_', '-')}": getattr(wanted, name) for name in choosing}
    if given := [name for name, value in values.items() if value is not None and value is not False and value != []]:
        raise ConfigError(f"--delete takes the runs that it names, whatever {given[0]} says: leave {given[0]} out")


def joined(words: list[str]) -> list[str]:
    """A command line in which `--sort -NAME` is one word, which argparse would take for two options."""
    if "--sort" in words[:-1] and words[place := words.index("--sort") + 1].startswith("-"):
        return [*words[: place - 1], f"--sort={words[place]}", *words[place + 1 :]]
    return words


def names(word: str) -> list[str]:
    return [ALSO.get(name.strip(), name.strip()) for name in word.split(",") if name.strip()]


def shown_metric(runs: Runs, metric: str | None) -> str:
    """The metric that is asked for, or else that of most experiments; of runs without it, the first of theirs."""
    known = {name for run in runs.found for name in run.metrics}
    usual = (name for name in ("test/accuracy", "test/loss", "val/loss") if name in known)
    return metric or next(usual, min(known, default="test/accuracy"))


def columns_of(runs: Runs, wanted: argparse.Namespace) -> list[str]:
    """What is shown of each run.

    Raises:
        ConfigError: no run has it.
    """
    if wanted.columns:
        runs.check(wanted.columns)
        return list(wanted.columns)
    by = ALSO.get(wanted.sort.lstrip("-"), wanted.sort.lstrip("-")) if wanted.sort else None
    conditions = [Condition.parse(word).name for word in wanted.where]
    metric = wanted.metric or "test/accuracy"
    asked = [name for name in (*conditions, by) if name and name not in ("started", "name", "seed", "status", metric)]
    return list(dict.fromkeys(["started", "name", "seed", "status", *asked, metric, "folder"]))


def record(runs: Runs, run: Result, columns: list[str] | None) -> dict[str, Any]:
    """A run for another program: all that is known, or some of it."""
    if columns is None:
        facts = {name: fact(run) for name, fact in FACTS.items()} | {"started": run.started}
        return {**facts, "metrics": run.metrics, "settings": runs.settings(run)}
    values = {name: runs.value(run, name) for name in columns}
    return {name: None if value is MISSING else value for name, value in values.items()}


def print_table(runs: Runs, columns: list[str]) -> None:
    rows = [[HEADINGS.get(name, name) for name in columns]]
    rows += [[figure(run, name) or cell(runs.value(run, name)) for name in columns] for run in runs.found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def cell(value: Any) -> str:
    if value is MISSING:
        return "-"
    return harmless(f"{value:.6g}" if isinstance(value, float) else show(value))


def figure(run: Result, name: str) -> str | None:
    """A metric, to four decimals."""
    return f"{run.metrics[name]:.4f}" if name in run.metrics else None
