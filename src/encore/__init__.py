"""Encore: reproducible deep-learning research."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
