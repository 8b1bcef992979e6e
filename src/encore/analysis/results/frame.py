"""Runs as a pandas frame."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from encore.analysis.results.conditions import FACTS, Condition, Runs
from encore.analysis.results.runs import results
from encore.config.named_runs import runs_dir
from encore.terminal import tell_left_out


def frame(where: Sequence[str], folder: str | os.PathLike[str] | None) -> pd.DataFrame:
    """The runs of which all conditions are true: a column for each fact, metric and setting."""
    conditions = [Condition.parse(word) for word in where]
    runs = Runs(*results(Path(folder or runs_dir()))).where(conditions)
    rows = [
        {**{name: fact(run) for name, fact in FACTS.items()}, **run.metrics, **runs.settings(run)} for run in runs.found
    ]
    tell_left_out(dict.fromkeys(runs.unreadable))
    return pd.DataFrame(rows, columns=None if rows else list(FACTS))
