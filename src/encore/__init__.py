"""Encore: reproducible deep-learning research."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from encore.record.result import Result
    from encore.use.model import Model


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


def load(run: str | Path, device: "str | torch.device | None" = None, data_dir: str | Path | None = None) -> "Model":
    """A finished run's model, ready to predict: `encore.load("runs/…").predict(arrays).labels`.

    Args:
        run: its folder, or how its name or fingerprint begins.
        device: where to compute, such as `cpu` or `cuda:1`; by default where it was trained, or the best there is.
        data_dir: folder of the data, if they have moved; needed for `.data` alone.

    Raises:
        encore.errors.EncoreError: what is wrong, and what to do.
    """
    from encore.config import named_runs, places
    from encore.fast import imports

    imports.later()
    from encore.use import model

    places.extend_path()
    return model.load(named_runs.a_run(os.fspath(run)), device, data_dir)
