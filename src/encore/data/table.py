"""Tables that are small enough to stand in a config."""

from typing import Any

import numpy as np

from encore.errors import ConfigError


class Table:
    """Inputs [n, …] and targets [n], row by row.

    Raises:
        ConfigError: they are no arrays of numbers.
    """

    def __init__(self, data: list[Any], targets: list[Any]) -> None:
        try:
            self.data, self.targets = np.array(data, np.float32), np.array(targets)
        except (TypeError, ValueError) as problem:
            raise ConfigError(f"a table has rows of one length that hold numbers alone: {problem}") from problem
