"""Encore: deep-learning research whose results can be had again."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from encore.record.result import Result


def run(overrides: Mapping[str, Any] | Iterable[str] = ()) -> "Result":
    """Run what `python train.py` runs: `run({"model": "mlp", "optim.lr": 0.01})`.

    Args:
        overrides: settings by dotted path, or texts as on the command line.

    Returns:
        The result; one that is finished already is not run again.

    Raises:
        encore.errors.EncoreError: what is wrong, and what to do.
    """
    from encore.compose import config_from
    from encore.runner import execute

    return execute(config_from(overrides))
