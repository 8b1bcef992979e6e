"""One figure that a record shows, and the same one computed again."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Figure:
    """A figure that a record shows, and the same one computed again.

    Attributes:
        name: where it is in the record.
        recorded: as it is there, a plain value.
        computed: as it is again.
        apart: the relative difference; None for the same bits, infinite where what differs is not a number.
        words: what to say of it; empty where another figure says it.
    """

    name: str
    recorded: Any
    computed: Any
    apart: float | None = None
    words: str = ""


Found = Iterator[Figure]


def figure(name: str, recorded: Any, computed: Any) -> Figure:
    """Compare plain values."""
    if same(recorded, computed):
        return Figure(name, recorded, computed)
    return Figure(
        name, recorded, computed, apart(recorded, computed), f"{name} {show(recorded)} against {show(computed)}"
    )


def said_once(figures: Iterable[Figure], rest: str) -> Found:
    """Figures of which only the first that differs has words, which say how many more there are."""
    figures = list(figures)
    unlike = [each for each in figures if each.apart is not None]
    for each in figures:
        if unlike and each is unlike[0]:
            more = f" and {len(unlike) - 1} more {rest}" if len(unlike) > 1 else ""
            yield Figure(each.name, each.recorded, each.computed, each.apart, each.words + more)
        else:
            yield Figure(each.name, each.recorded, each.computed, each.apart)


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are the same; NaN is the same as NaN."""
    return one == other or (one != one and other != other)


def apart(one: Any, other: Any) -> float:
    """The relative difference of two plain values that differ; infinite where one is no number."""
    if isinstance(one, float | int) and isinstance(other, float | int) and not {bool} & {type(one), type(other)}:
        return relative(np.array([float(one)]), np.array([float(other)]))
    return math.inf


def relative(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference of two arrays, as a part of the largest value of the first."""
    if first.shape != second.shape or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return math.inf
    if not first.size:
        return 0.0
    difference, scale = float(np.abs(first.astype(float) - second).max()), float(np.abs(first).max())
    return 0.0 if difference == 0 else difference / scale if scale else math.inf


def show(value: Any) -> str:
    """A value in a line."""
    if isinstance(value, float):
        return f"{value:.9g}"
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
