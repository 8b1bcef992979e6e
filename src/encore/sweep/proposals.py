"""What a search tries next: a function of the trial's number and of the trials that it may know of."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from encore.build import build
from encore.sweep.space import Space

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Proposals:
    """The trials of a search, before they are run.

    Optuna stores no sampler's state. Here each trial is drawn by a sampler of its own, whose seed comes from the
    search's and the trial's number: whoever asks, and however often a search was stopped, trial k is the same.

    Attributes:
        space: where to look.
        sampler: recipe of an Optuna sampler whose proposals follow from finished trials and its seed.
        seed: of the search.
        mode: `min` or `max`.
        parallel: trials that know nothing of each other.
    """

    space: Space
    sampler: dict[str, Any]
    seed: int
    mode: str
    parallel: int

    @property
    def direction(self) -> StudyDirection:
        """The mode, as Optuna calls it."""
        return direction(self.mode)

    def params(self, number: int, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
        """A trial's settings, from those before its batch.

        Args:
            number: the trial's.
            trials: at least those of the batches before, by number.
        """
        study = optuna.create_study(direction=self.direction, sampler=self.sampler_of(number))
        study.add_trials(trials[: self.batch(number).start])
        return study.ask(dict(self.space)).params

    def batch(self, number: int) -> range:
        """The trials that are proposed with this one."""
        first = number - number % self.parallel
        return range(first, first + self.parallel)

    def sampler_of(self, number: int) -> optuna.samplers.BaseSampler:
        """A sampler for one trial alone."""
        digest = hashlib.sha256(f"{self.seed} {number}".encode()).digest()
        seed = int.from_bytes(digest[:4], "big") >> 1
        sampler: optuna.samplers.BaseSampler = build(self.sampler, what="hydra.sweeper.sampler", seed=seed)
        return sampler


def direction(mode: str) -> StudyDirection:
    """`min` or `max`, as Optuna calls it."""
    return StudyDirection.MINIMIZE if mode == "min" else StudyDirection.MAXIMIZE
