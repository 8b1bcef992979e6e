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

    @property
    def words(self) -> str:
        """Describe the place for the terminal."""
        whose = "where a shorter run ended" if self.longer else "where it was stopped"
        return f"{whose}, after epoch {self.epoch}, step {self.step}"
