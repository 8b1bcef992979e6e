"""A training loop that forgets `optimizer.zero_grad()`."""

from typing import Any

from encore.tasks.regression import Regression


class Forgetful(Regression):
    """Regression whose gradients are never set to zero: each step takes the sum of all gradients so far."""

    def optimizer_zero_grad(self, *_: Any) -> None:
        """Nothing is set to zero."""
