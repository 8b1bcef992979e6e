"""A model's scores on the terminal, and as files."""

import csv
import io
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from encore.analysis.quality import confusion, robustness
from encore.analysis.quality.examples import Examples
from encore.analysis.quality.other_scores import Labels, Numbers, of_labels, of_numbers, of_pixels
from encore.analysis.quality.scores import Scores, own_metrics, scores
from encore.analysis.results.figure_files import save
from encore.analysis.results.findings import kept_in
from encore.analysis.results.table_formats import aligned, number, plain_cell
from encore.files import write_json, write_text
from encore.tasks.supervised import Supervised
from encore.terminal import harmless
from encore.use.model import Model
from encore.use.predictions import kind_of

Found = Scores | Numbers | Labels
# What `--full` finds, by what is predicted.
FULL: dict[str, Callable[[Model, Examples], Found]] = {
    "classes": scores, "labels": of_labels, "pixels": of_pixels, "values": of_numbers,
}  # fmt: skip


def report(model: Model, examples: Examples, full: bool, robust: bool, out: Path | None) -> None:
    """Print a model's scores on examples, and write them where `out` is given.

    Raises:
        InputError: what is asked for does not fit the model.
    """
    with kept_in(out) if out else nullcontext():
        metrics = own_metrics(model, examples) if isinstance(model.task, Supervised) or not (full or robust) else {}
        found = FULL[kind_of(model.task)](model, examples) if full else None
        curves = robustness.measure(model, examples) if robust else None
        title = f"{model.result.name}, seed {model.result.seed}, on {examples.name}: {len(examples.indices):,} examples"
        print(harmless(title))
        shown = {**metrics, **(found.metrics if found else {})}
        print(aligned([[name, number(value)] for name, value in shown.items()]))
        if found:
            for table in found.shown():
                print(harmless(f"\n{aligned(table)}"))
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
    out: Path, title: str, metrics: dict[str, float], found: Found | None, curves: robustness.Curves | None
) -> None:
    """Write metrics.json; what there is of the scores as .csv and .png; robustness.csv and .png."""
    write_json(out / "metrics.json", metrics)
    if found:
        for name, rows in found.tables().items():
            write_text(out / f"{name}.csv", packed(rows))
        drawn = {"confusion": confusion.figure(title, found)} if isinstance(found, Scores) else found.figures(title)
        for name, figure in drawn.items():
            save(figure, out / f"{name}.png")
    if curves:
        write_text(out / "robustness.csv", packed(rows_of(curves, exact=True)))
        save(robustness.figure(title, curves), out / "robustness.png")


def packed(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([map(plain_cell, row) for row in rows])
    return text.getvalue()
