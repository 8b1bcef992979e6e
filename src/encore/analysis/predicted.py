"""Predictions as rows: for a terminal, a CSV file or JSON."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from encore.analysis.results.table_formats import aligned, number, plain_cell
from encore.errors import InputError
from encore.terminal import harmless
from encore.use.predictions import Predictions

MOST_NUMBERS = 50  # of an example that a row shows


@dataclass(frozen=True)
class Row:
    """What is said of one example.

    Attributes:
        input: its name: a file, a place in one, or a sentence.
        label: the predicted class; several labels; None for numbers.
        ranked: the most probable classes with their probabilities, or of pixels with their shares.
        values: numbers by name.
    """

    input: str
    label: str | list[str] | None = None
    ranked: list[tuple[str, float]] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)


def rows(names: Sequence[str], found: Predictions, top: int, axes: Sequence[str] = ()) -> Iterator[Row]:
    """A row for each example.

    Args:
        names: of the examples.
        found: what the model says of them.
        top: how many classes.
        axes: names of the numbers.

    Raises:
        InputError: there are more numbers than a row shows.
    """
    if found.kind == "pixels":
        for name, pixels in zip(names, found.values, strict=True):
            shares = [
                (found.classes[each], times / pixels.size) for each, times in Counter(pixels.flat).most_common(top)
            ]
            yield Row(name, shares[0][0], shares)
    elif found.kind in ("classes", "labels"):
        for name, label, ranked in zip(names, found.labels, found.top(top), strict=True):
            yield Row(name, label, ranked)
    else:
        values = found.values.reshape(len(found), -1)
        if values.shape[1] > MOST_NUMBERS:
            raise InputError(
                f"the model predicts {' × '.join(map(str, found.values.shape[1:]))} numbers for each example, more "
                "than a row shows: encore.load(RUN).predict(…).values in Python"
            )
        columns = list(axes) if len(axes) == values.shape[1] else named(values.shape[1])
        for name, of_one in zip(names, values, strict=True):
            yield Row(name, values=dict(zip(columns, map(float, of_one), strict=True)))


def named(count: int) -> list[str]:
    return ["value"] if count == 1 else [f"value {place + 1}" for place in range(count)]


def as_text(found: Sequence[Row]) -> str:
    """A table for a terminal: each input with its label and probability, and then the next best."""
    heading = [] if has_labels(found) else [["", *found[0].values]]
    body = [cells(row) for row in found]
    width = max(map(len, [*heading, *body]))
    return aligned([[*row, *[""] * (width - len(row))] for row in (*heading, *body)])


def cells(row: Row) -> list[str]:
    if row.label is None:
        return [row.input, *(number(value) for value in row.values.values())]
    several = [", ".join(row.label) or "–"] if isinstance(row.label, list) else []
    return [row.input, *several, *(f"{name} {share:.3f}" for name, share in row.ranked)]


def as_json(found: Iterable[Row]) -> str:
    """A list of objects."""
    return json.dumps([plain(row) for row in found], indent=2, ensure_ascii=False, default=float)


def plain(row: Row) -> dict[str, Any]:
    if row.label is None:
        return {"input": row.input, "values": {name: finite(value) for name, value in row.values.items()}}
    top = [{"label": name, "probability": finite(share)} for name, share in row.ranked]
    return {"input": row.input, "label": row.label, "top": top}


def finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if np.isfinite(value) else None


def as_csv(found: Sequence[Row]) -> str:
    """A line an example under a heading."""
    packed = io.StringIO()
    writer = csv.writer(packed, lineterminator="\n")
    if has_labels(found):
        most = max(len(row.ranked) for row in found)
        ranks = [name for place in range(2, most + 1) for name in (f"label_{place}", f"probability_{place}")]
        several = isinstance(found[0].label, list)
        writer.writerow(["input", *(["labels"] if several else []), "label", "probability", *ranks])
    else:
        writer.writerow(["input", *found[0].values])
    for row in found:
        listed = [";".join(row.label)] if isinstance(row.label, list) else []
        ranked = [cell for pair in row.ranked for cell in pair]
        writer.writerow([plain_cell(cell) for cell in (row.input, *listed, *ranked, *row.values.values())])
    return packed.getvalue().rstrip("\n")


def has_labels(found: Sequence[Row]) -> bool:
    return found[0].label is not None


def printed(found: Sequence[Row], form: str) -> str:
    """The rows in a form: `text`, `csv` or `json`."""
    made = {"text": as_text, "csv": as_csv, "json": as_json}[form](found)
    return harmless(made) if form == "text" else made
