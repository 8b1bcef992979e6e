"""A search's finished trials, in an Optuna storage that several processes share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from encore.config.rules import one_of, optional
from encore.errors import EncoreError, InputError
from encore.record.lock import waiting_for
from encore.record.reading import STATUSES, any_text, fields, figure
from encore.sweep.outcome import Outcome
from encore.sweep.proposals import Proposals
from encore.sweep.space import words

FILE = "study.journal"  # in the sweep's folder


class Trials:
    """The finished trials, in the order of their numbers.

    Args:
        folder: the sweep's folder; it holds the study in a file if no storage is given.
        name: the study's name.
        storage: an Optuna storage URL, or None.
        proposals: the search space and direction.

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
        """Lock and repair the storage; errors of any storage backend become InputError."""
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
                    f"{where} cannot be used: {problem}\ndelete it, and the trials are read from their runs again"
                ) from problem

    def known(self) -> list[FrozenTrial]:
        """Those that are stored.

        Raises:
            InputError: one of them was stored by something else.
        """
        with self.held():
            found = self.study.get_trials(deepcopy=False)
            for trial in found:
                if problem := stored(trial.user_attrs):
                    raise ValueError(f"trial {trial.number}: {problem}")
            return found

    def keep(self, first: int, found: Sequence[tuple[dict[str, Any], Outcome]]) -> None:
        """Store the outcomes of a batch, unless another process has stored them.

        Args:
            first: number of the batch's first trial.
            found: the trials' settings and outcomes.
        """
        with self.held():
            for number, (params, outcome) in enumerate(found, first):
                if number == len(self.study.get_trials(deepcopy=False)):
                    self.study.add_trial(self.frozen(params, outcome))

    def frozen(self, params: dict[str, Any], outcome: Outcome) -> FrozenTrial:
        """A trial as Optuna stores it: a failed one has no value, and samplers ignore it."""
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
        """The best finished trial among the first `count`, the earlier one in a tie; None if none has finished."""
        finished = [trial for trial in self.known()[:count] if trial.state == TrialState.COMPLETE]
        choose = min if self.proposals.mode == "min" else max
        return choose(finished, key=lambda trial: trial.values[0], default=None)


# What is stored of a trial beside its settings and values.
stored = fields(
    {
        "folder": optional(any_text),
        "status": one_of(*STATUSES, "busy", "pruned"),
        "error": optional(any_text),
        "seconds": figure,
    },
    needed=("folder", "status", "error"),
)


def mend(journal: Path) -> None:
    """Remove a line left unfinished by a full disk or a kill, and the lock of a process that is gone.

    The next line would be appended to it, and neither would be readable. Call this only while holding the folder.
    """
    lock = journal.with_name(f"{journal.name}.lock")
    lock.unlink(missing_ok=True)
    if not journal.exists():
        return
    with journal.open("rb+") as stream:
        content = stream.read()
        if content and not content.endswith(b"\n"):
            stream.truncate(content.rfind(b"\n") + 1)
