"""A model's scores on the terminal, and as files."""

import csv
import io
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from encore.analysis.quality import confusion, robustness
from encore.analysis.quality.examples import Examples
from encore.analysis.quality.scores import Scores, own_metrics, scores
from encore.analysis.results.figure_files import save
from encore.analysis.results.findings import kept_in
from encore.analysis.results.table_formats import aligned, number, plain_cell
from encore.files import write_json, write_text
from encore.tasks.supervised import Supervised
from encore.terminal import harmless
from encore.use.model import Model


def report(model: Model, examples: Examples, full: bool, robust: bool, out: Path | None) -> None:
    """Print a model's scores on examples, and write them where `out` is given.

    Raises:
        InputError: what is asked for does not fit the model.
    """
    with kept_in(out) if out else nullcontext():
        metrics = own_metrics(model, examples) if isinstance(model.task, Supervised) or not (full or robust) else {}
        found = scores(model, examples) if full else None
        curves = robustness.measure(model, examples) if robust else None
        title = f"{model.result.name}, seed {model.result.seed}, on {examples.name}: {len(examples.indices):,} examples"
        print(harmless(title))
        shown = {**metrics, **(found.metrics if found else {})}
        print(aligned([[name, number(value)] for name, value in shown.items()]))
        if found:
            print(harmless(f"\n{aligned(found.by_class())}"))
        if curves:
            print(f"\n{aligned(rows_of(curves))}")
        if out:
            write(out, title, shown, found, curves)
            print(out)


def rows_of(curves: robustness.Curves, exact: bool = False) -> list[list[str]]:
    """A table of accuracies: a row for each change, a column for each strength."""
    heading = ["accuracy at strength", *map(str, range(robustness.STRENGTHS + 1))]
    return [
        heading,
        *([name, *(repr(each) if exact else number(each) for each in line)] for name, line in curves.items()),
    ]


def write(
    out: Path, title: str, metrics: dict[str, float], found: Scores | None, curves: robustness.Curves | None
) -> None:
    """Write metrics.json; classes.csv, confusion.csv and .png; robustness.csv and .png."""
    write_json(out / "metrics.json", metrics)
    if found:
        heading = ["class", "examples", "precision", "recall", "f1"]
        counts = found.confusion.sum(1).tolist()
        classes = zip(found.classes, counts, found.precision, found.recall, found.f1, strict=True)
        write_text(out / "classes.csv", packed([heading, *classes]))
        named = ([name, *row] for name, row in zip(found.classes, found.confusion.tolist(), strict=True))
        write_text(out / "confusion.csv", packed([["true \\ predicted", *found.classes], *named]))
        save(confusion.figure(title, found), out / "confusion.png")
    if curves:
        write_text(out / "robustness.csv", packed(rows_of(curves, exact=True)))
        save(robustness.figure(title, curves), out / "robustness.png")


def packed(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([map(plain_cell, row) for row in rows])
    return text.getvalue()
