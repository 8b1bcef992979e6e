"""Whether the trials that a search has stored are still what their runs gave: what it proposes follows from them."""

import math
from collections.abc import Iterable
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from encore.errors import InputError
from encore.record.result import Result
from encore.sweep import pruning


def check_stored(trials: Iterable[FrozenTrial], metric: str, store: str, elsewhere: bool) -> None:
    """Compare the figures of stored trials with those of their runs, which their seals vouch for.

    Args:
        trials: stored ones.
        metric: the monitored one.
        store: where they are stored, as a message names it.
        elsewhere: whether runs may lie on another machine; those that are not here are then believed.

    Raises:
        InputError: some differ; they are named.
    """
    problems = [
        f"trial {trial.number}: {problem}" for trial in trials if (problem := against(trial, metric, elsewhere))
    ]
    if problems:
        raise InputError(
            "\n".join(problems) + f"\nmove these runs away, and delete {store}: the other trials are read from their "
            "runs again, and these are run"
        )


def against(trial: FrozenTrial, metric: str, elsewhere: bool) -> str | None:
    """What is wrong with a stored trial, or None; one that failed has no figure."""
    if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
        return None
    if not trial.user_attrs["folder"]:
        return "it has a value, and no run"
    folder = Path(trial.user_attrs["folder"])
    if elsewhere and not folder.exists():
        return None
    try:
        run = Result.read(folder)
        values = pruning.values(folder, metric) if trial.intermediate_values else {}
    except InputError as problem:
        return str(problem)
    if trial.state == TrialState.COMPLETE and (run.status, run.monitored) != ("finished", trial.value):
        return f"{folder} is {run.status} with a best {metric} of {run.monitored}, and {trial.value} is stored"
    for epoch, value in trial.intermediate_values.items():
        given = float(values.get(str(epoch), value))
        if given != value and not (math.isnan(given) and math.isnan(value)):
            return f"{folder} has {metric} {given} after epoch {epoch}, and {value} is stored"
    return None
