"""A search's finished trials, in a storage of Optuna's that several processes share."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from encore.errors import Busy, ConfigError
from encore.record.lock import held
from encore.sweep.outcome import Outcome
from encore.sweep.proposals import Proposals
from encore.sweep.space import words


class Trials:
    """The finished trials, in the order of their numbers.

    Args:
        folder: the sweep's; it has the study in a file of its own, `study.journal`, where no storage is given.
        name: of the study.
        storage: a URL as Optuna takes it, or None.
        proposals: what the trials are.

    Raises:
        ConfigError: the storage cannot be used.
    """

    def __init__(self, folder: Path, name: str, storage: str | None, proposals: Proposals) -> None:
        self.folder, self.proposals = folder, proposals
        with waiting_for(folder):
            kept: BaseStorage | str = storage or JournalStorage(JournalFileBackend(str(folder / "study.journal")))
            try:
                self.study = optuna.create_study(
                    storage=kept, study_name=name, direction=proposals.direction, load_if_exists=True
                )
            except Exception as problem:  # each storage has its own
                raise ConfigError(f"hydra.sweeper.storage={storage} cannot be used: {problem}") from problem

    def known(self) -> list[FrozenTrial]:
        """Those that are stored."""
        return self.study.get_trials(deepcopy=False)

    def keep(self, first: int, found: Sequence[tuple[dict[str, Any], Outcome]]) -> None:
        """Store what became of a batch, as far as no other process has done so.

        Args:
            first: number of its first trial.
            found: the trials' settings and outcomes.
        """
        with waiting_for(self.folder):
            for number, (params, outcome) in enumerate(found, first):
                if number == len(self.known()):
                    self.study.add_trial(self.frozen(params, outcome))

    def frozen(self, params: dict[str, Any], outcome: Outcome) -> FrozenTrial:
        """A trial as Optuna stores it: one that failed has no value, and samplers learn nothing from it."""
        states = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        state = states.get(outcome.status, TrialState.FAIL)
        if state == TrialState.COMPLETE and outcome.monitored is None:
            state = TrialState.FAIL
        return create_trial(
            state=state,
            value=outcome.monitored if state == TrialState.COMPLETE else None,
            params=params,
            distributions=dict(self.proposals.space),
            intermediate_values={int(epoch): float(value) for epoch, value in outcome.values.items()},
            user_attrs={
                "overrides": " ".join(words(params)),
                "folder": outcome.folder,
                "status": outcome.status,
                "error": outcome.error,
                "seconds": outcome.seconds,
            },
        )

    def best(self, count: int) -> FrozenTrial | None:
        """Of the first so many trials the best finished one, the first of equals; None where none is finished."""
        finished = [trial for trial in self.known()[:count] if trial.state == TrialState.COMPLETE]
        choose = min if self.proposals.mode == "min" else max
        return choose(finished, key=lambda trial: trial.values[0], default=None)


@contextmanager
def waiting_for(folder: Path, seconds: float = 0.05) -> Iterator[None]:
    """Hold a folder as soon as whoever holds it lets go; looks every so many seconds."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held(folder))
                break
            except Busy:
                time.sleep(seconds)
        yield
