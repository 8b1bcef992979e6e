"""Seeing what a task's net gets and makes, while it does its work: nothing is computed for a view."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl


class Watch:
    """Told the first argument and the result of each call of a task's `forward`, until it ends."""

    def __init__(self, task: pl.LightningModule, told: Callable[[Any, Any], None]) -> None:
        self.task, self.before = task, vars(task).get("forward")
        plain = task.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            made = plain(*args, **kwargs)
            told(args[0] if args else None, made)
            return made

        self.forward = vars(task)["forward"] = forward

    def end(self) -> None:
        """Watch no longer; again does nothing."""
        if vars(self.task).get("forward") is self.forward:
            del vars(self.task)["forward"]
            if self.before is not None:
                vars(self.task)["forward"] = self.before
