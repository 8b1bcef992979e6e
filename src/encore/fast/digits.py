"""scikit-learn's digits, read without importing scikit-learn, which takes a third of the time before the first step."""

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np

FILE = Path("datasets", "data", "digits.csv.gz")


def digits_file() -> Path | None:
    """Where scikit-learn keeps its digits; None if it is not installed, or keeps them elsewhere."""
    found = find_spec("sklearn")
    folders = found.submodule_search_locations if found is not None else None
    return next((file for folder in folders or [] if (file := Path(folder) / FILE).is_file()), None)


def load_digits() -> SimpleNamespace:
    """The digits as `sklearn.datasets.load_digits` gives them: data [1797, 64], float64; target [1797], int64."""
    file = digits_file()
    assert file is not None
    table = read(file).copy()
    return SimpleNamespace(
        data=table[:, :-1],
        target=table[:, -1].astype(int),
        target_names=np.arange(10),
        images=table[:, :-1].reshape(-1, 8, 8),
    )


@cache
def read(file: Path) -> np.ndarray:
    """The table in a file, read once, as the runs of a sweep follow each other."""
    with gzip.open(file, "rt", encoding="utf-8") as rows:
        return np.loadtxt(rows, delimiter=",")
