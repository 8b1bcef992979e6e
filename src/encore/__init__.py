"""Encore: reproducible deep-learning research."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from encore.record.result import Result


def run(overrides: Mapping[str, Any] | Iterable[str] = ()) -> "Result":
    """Run what `python train.py` runs: `run({"model": "mlp", "optim.lr": 0.01})`.

    Args:
        overrides: settings by dotted path, or overrides as on the command line.

    Returns:
        The result; a finished run is not repeated.

    Raises:
        encore.errors.EncoreError: what is wrong, and what to do.
    """
    from encore.config import places
    from encore.config.compose import config_from
    from encore.fast import imports

    imports.later()
    from encore.runner.execute import execute

    places.extend_path()
    return execute(config_from(overrides))


def runs(where: str | Iterable[str] = (), folder: "str | os.PathLike[str] | None" = None) -> "pd.DataFrame":
    """Runs as a frame, the oldest first: `runs(["optim.lr>0.01", "status=finished"])`.

    Args:
        where: conditions as of `encore runs --where`, all of which have to be true.
        folder: of the runs; None: ENCORE_RUNS_DIR, or `runs`.

    Returns:
        A row for each run; a column for each fact (`name`, `status`, `folder`, …), metric and setting by its name.

    Raises:
        encore.errors.EncoreError: there is no such folder, or no run has what a condition is on.
    """
    from encore.analysis.results.frame import frame

    return frame([where] if isinstance(where, str) else list(where), folder)
