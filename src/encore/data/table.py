"""Tables small enough to be written in a config."""

from typing import Any

import numpy as np

from encore.errors import ConfigError


class Table:
    """Inputs [n, …] and targets [n], row by row.

    Raises:
        ConfigError: they are no arrays of numbers that float32 has.
    """

    def __init__(self, data: list[Any], targets: list[Any]) -> None:
        self.data, self.targets = numbers("data", data).astype(np.float32), numbers("targets", targets)
        if self.data.ndim < 2 or len(self.data) != len(self.targets):
            raise ConfigError(
                f"a table has a row of inputs for each target, not data of shape {list(self.data.shape)} "
                f"and targets of shape {list(self.targets.shape)}"
            )


def numbers(name: str, rows: list[Any]) -> np.ndarray:
    try:
        found = np.array(rows)
        good = found.ndim > 0 and found.size > 0 and found.dtype.kind in "biuf"
        good = good and bool((np.abs(found.astype(np.float64)) <= np.finfo(np.float32).max).all())
    except (TypeError, ValueError, OverflowError):  # rows of several lengths
        good = False
    if not good:
        raise ConfigError(f"a table's {name} are rows of one length that hold only finite numbers, not {rows!r:.80}")
    return found
