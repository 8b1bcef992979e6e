"""What a search tries next: a function of the trial's number and of the trials visible to it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from encore.config.build import build
from encore.sweep.space import Space

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Proposals:
    """Proposes the trials of a search.

    Optuna does not store a sampler's state. Here each trial has its own sampler, seeded from the search's seed and the
    trial's number: trial k is the same no matter who asks or how often the search was interrupted.

    Attributes:
        space: the search space.
        sampler: recipe of an Optuna sampler whose proposals depend only on finished trials and its seed.
        seed: the search's seed.
        mode: `min` or `max`.
        parallel: how many trials are proposed independently.
    """

    space: Space
    sampler: dict[str, Any]
    seed: int
    mode: str
    parallel: int

    @property
    def direction(self) -> StudyDirection:
        return direction(self.mode)

    def params(self, number: int, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
        """A trial's settings, given the trials before its batch.

        Args:
            number: the trial's.
            trials: at least those of earlier batches, by number.
        """
        study = optuna.create_study(direction=self.direction, sampler=self.sampler_of(number))
        study.add_trials(trials[: self.batch(number).start])
        return study.ask(dict(self.space)).params

    def batch(self, number: int) -> range:
        """The trials that are proposed together with this one."""
        first = number - number % self.parallel
        return range(first, first + self.parallel)

    def sampler_of(self, number: int) -> optuna.samplers.BaseSampler:
        """A sampler for this trial only."""
        digest = hashlib.sha256(f"{self.seed} {number}".encode()).digest()
        seed = int.from_bytes(digest[:4], "big") >> 1
        sampler: optuna.samplers.BaseSampler = build(self.sampler, what="hydra.sweeper.sampler", seed=seed)
        return sampler


def direction(mode: str) -> StudyDirection:
    """`min` or `max`, as Optuna calls it."""
    return StudyDirection.MINIMIZE if mode == "min" else StudyDirection.MAXIMIZE
