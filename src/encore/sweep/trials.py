"""A search's finished trials, in a storage of Optuna's that several processes share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from encore.errors import EncoreError, InputError
from encore.record.lock import waiting_for
from encore.sweep.outcome import Outcome
from encore.sweep.proposals import Proposals
from encore.sweep.space import words

FILE = "study.journal"  # in the sweep's folder


class Trials:
    """The finished trials, in the order of their numbers.

    Args:
        folder: the sweep's; it has the study in a file of its own where no storage is given.
        name: of the study.
        storage: a URL as Optuna takes it, or None.
        proposals: what the trials are.

    Raises:
        InputError: the storage cannot be used.
    """

    def __init__(self, folder: Path, name: str, storage: str | None, proposals: Proposals) -> None:
        self.folder, self.storage, self.proposals = folder, storage, proposals
        with self.held():
            kept: BaseStorage | str = storage or JournalStorage(JournalFileBackend(str(folder / FILE)))
            self.study = optuna.create_study(
                storage=kept, study_name=name, direction=proposals.direction, load_if_exists=True
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the storage against other processes, mended; each kind of it has errors of its own."""
        with waiting_for(self.folder):
            try:
                if self.storage is None:
                    mend(self.folder / FILE)
                yield
            except (EncoreError, OSError):
                raise
            except Exception as problem:
                where = f"hydra.sweeper.storage={self.storage}" if self.storage else f"{self.folder / FILE}"
                raise InputError(
                    f"{where} cannot be used: {problem}\nwithout it the trials are taken from their runs again"
                ) from problem

    def known(self) -> list[FrozenTrial]:
        """Those that are stored."""
        with self.held():
            return self.study.get_trials(deepcopy=False)

    def keep(self, first: int, found: Sequence[tuple[dict[str, Any], Outcome]]) -> None:
        """Store what became of a batch, as far as no other process has done so.

        Args:
            first: number of its first trial.
            found: the trials' settings and outcomes.
        """
        with self.held():
            for number, (params, outcome) in enumerate(found, first):
                if number == len(self.study.get_trials(deepcopy=False)):
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


def mend(journal: Path) -> None:
    """Cut off a line that a full disk or a kill has left unfinished, and the lock of a process that is gone.

    The next line would continue it, and neither could be read again. Only who holds the folder may do so.
    """
    lock = journal.with_name(f"{journal.name}.lock")
    lock.unlink(missing_ok=True)
    if not journal.exists():
        return
    with journal.open("rb+") as stream:
        content = stream.read()
        if content and not content.endswith(b"\n"):
            stream.truncate(content.rfind(b"\n") + 1)
