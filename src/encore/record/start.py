"""The checkpoint that a run resumes from."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Start:
    """A checkpoint to resume from: epochs and optimiser steps completed there, and why the run was resumed."""

    path: Path
    epoch: int
    step: int
    reason: str
    longer: bool = False  # than the finished run whose checkpoint it is
    other: str | None = None  # the run on another number of ranks that it continues

    @property
    def words(self) -> str:
        """Describe the place for the terminal."""
        place = f"after epoch {self.epoch}, step {self.step}"
        if self.other is not None:
            return f"where {self.other} was stopped, {place}: from here on not bit for bit what that run would give"
        return f"{'where a shorter run ended' if self.longer else 'where it was stopped'}, {place}"
