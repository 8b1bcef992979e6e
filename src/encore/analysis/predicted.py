"""Predictions as rows: for a terminal, a CSV file or JSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from encore.analysis.results.table_formats import aligned, number, plain_cell
from encore.errors import InputError
from encore.terminal import harmless
from encore.use.masks import Masks, in_size
from encore.use.predictions import Predictions
from encore.use.reading import Read

MOST_NUMBERS = 50  # of an example that a row shows


@dataclass(frozen=True)
class Row:
    """What is said of one example.

    Attributes:
        input: its name: a file, a place in one, or a sentence.
        label: the predicted class; several labels; None for numbers.
        ranked: the most probable classes with their probabilities, or of pixels with their shares.
        values: numbers by name; of pixels, how many each class has.
        mask: of pixels, the file of their classes, if there is one.
    """

    input: str
    label: str | list[str] | None = None
    ranked: list[tuple[str, float]] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    mask: str | None = None


def of_pixels(read: Read, found: Predictions, top: int, masks: Masks | None) -> Iterator[Row]:
    """A row for each picture, in its own size; its mask is written on the way."""
    count = len(found.classes)
    for place, (name, values) in enumerate(zip(read.names, found.values, strict=True)):
        mask = in_size(values, read.sizes[place] if read.sizes else None)
        pixels = np.bincount(mask.ravel(), minlength=count)
        order = np.argsort(-pixels, kind="stable")[: min(top, np.count_nonzero(pixels))]
        ranked = [(found.classes[each], float(pixels[each] / mask.size)) for each in order]
        counts = dict(zip(found.classes, pixels.tolist(), strict=True))
        number = None if read.sizes else read.files[: place + 1].count(read.files[place])
        written = masks.write(mask, count, read.files[place], number) if masks else None
        yield Row(name, ranked[0][0], ranked, counts, written)


def rows(names: Sequence[str], found: Predictions, top: int, axes: Sequence[str] = ()) -> Iterator[Row]:
    """A row for each example of which a model predicts classes, labels or numbers.

    Args:
        names: of the examples.
        found: what the model says of them.
        top: how many classes.
        axes: names of the numbers.

    Raises:
        InputError: there are more numbers than a row shows.
    """
    if found.kind in ("classes", "labels"):
        for name, label, ranked in zip(names, found.labels, found.top(top), strict=True):
            yield Row(name, label, ranked)
    else:
        values = found.values.reshape(len(found), -1)
        if values.shape[1] > MOST_NUMBERS:
            raise InputError(
                f"the model predicts {' × '.join(map(str, found.values.shape[1:]))} numbers for each example, more "
                "than a row shows: encore.load(RUN).predict(…).values in Python; a task whose outputs are scores of "
                'each pixel\'s classes says so: predicts = "pixels"'
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
    likely = "share" if row.values else "probability"
    top = [{"label": name, likely: finite(share)} for name, share in row.ranked]
    of_pixels = {"pixels": row.values} if row.values else {}
    written = {"mask": row.mask} if row.mask else {}
    return {"input": row.input, "label": row.label, "top": top, **of_pixels, **written}


def finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if np.isfinite(value) else None


def as_csv(found: Sequence[Row]) -> str:
    """A line an example under a heading."""
    packed = io.StringIO()
    writer = csv.writer(packed, lineterminator="\n")
    if has_labels(found):
        most = max(len(row.ranked) for row in found)
        likely, several = "share" if found[0].values else "probability", isinstance(found[0].label, list)
        ranks = [name for place in range(2, most + 1) for name in (f"label_{place}", f"{likely}_{place}")]
        pixels = [f"pixels {name}" for name in found[0].values] + ["mask"] * (found[0].mask is not None)
        writer.writerow(["input", *(["labels"] if several else []), "label", likely, *ranks, *pixels])
    else:
        writer.writerow(["input", *found[0].values])
    for row in found:
        listed = [";".join(row.label)] if isinstance(row.label, list) else []
        ranked = [cell for pair in row.ranked for cell in pair]
        if row.values and has_labels(found):  # pixels: a picture may have fewer classes than another
            ranked += [""] * (2 * (most - len(row.ranked)))
        written = [row.mask] if row.mask else []
        cells_of = (row.input, *listed, *ranked, *row.values.values(), *written)
        writer.writerow([plain_cell(cell) for cell in cells_of])
    return packed.getvalue().rstrip("\n")


def has_labels(found: Sequence[Row]) -> bool:
    return found[0].label is not None


def printed(found: Sequence[Row], form: str) -> str:
    """The rows in a form: `text`, `csv` or `json`."""
    made = {"text": as_text, "csv": as_csv, "json": as_json}[form](found)
    return harmless(made) if form == "text" else made
