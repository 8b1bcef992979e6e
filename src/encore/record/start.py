"""Where a run goes on: at its own last good checkpoint, or where a shorter run ended."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from encore.errors import InputError
from encore.record.checkpoint_files import BEST, LAST, PREVIOUS, digests, load
from encore.record.position import Position
from encore.record.record import Record

log = logging.getLogger("encore")


@dataclass(frozen=True)
class Start:
    """A checkpoint to go on from: whole epochs and optimiser steps that are done there, and why it is gone on with."""

    path: Path
    epoch: int
    step: int
    reason: str
    longer: bool = False  # than the finished run that it is of

    @property
    def words(self) -> str:
        """Where it stands."""
        whose = "where a shorter run ended" if self.longer else "where it was stopped"
        return f"{whose}, after epoch {self.epoch}, step {self.step}"


def starting_point(record: Record, position: Position) -> Start | None:
    """The checkpoint to go on from: of an attempt that was stopped, or of a shorter run that is finished.

    The logs are brought back to what they were at that checkpoint, and the best weights with them.

    Raises:
        InputError: there are checkpoints, and none of them can be used.
    """
    last = record.checkpoints / LAST
    if LAST not in digests(last.parent) and not last.is_file() and not last.with_name(PREVIOUS).is_file():
        record.clear()
        shorter = record.shorter()
        if shorter is not None and (start := start_of_longer(shorter.folder, record, position)):
            return start
        if record.before is not None:
            log.info("start    at the first step: the attempt before left no checkpoint")
        return None
    problems = []
    for path in (last, last.with_name(PREVIOUS)):
        try:
            return restore(path, position, reason(record))
        except InputError as problem:
            problems.append(str(problem))
            log.warning("%s", problem)
    raise InputError(
        "\n".join([*problems, f"no checkpoint is left to go on from: fresh=true runs it anew beside {record.folder}"])
    )


def reason(record: Record) -> str:
    """Why a run goes on: how the attempt before ended."""
    before = record.before
    if before is None or before.status == "running":
        return "killed"
    return f"{before.status}: {before.error}"


def start_of_longer(folder: Path, record: Record, position: Position) -> Start | None:
    """The last checkpoint of a finished shorter run; None where that cannot be used, or was logged otherwise."""
    last, best = folder / "checkpoints" / LAST, folder / "checkpoints" / BEST
    try:
        if not position.logs.keys() <= logs_in(load(last)).keys():
            return None
        start = restore(last, position, f"more epochs than {folder.name}")
        if position.checkpoints is not None:
            position.checkpoints.best_weights = load(best)["state_dict"]
    except InputError as problem:
        log.warning("%s\nthe run begins at its first step", problem)
        for one in position.logs.values():
            one.restore(one.beginning, record.folder)
        return None
    return replace(start, longer=True)


def restore(path: Path, position: Position, reason: str) -> Start:
    """Bring back logs and best weights as they were at a checkpoint.

    Raises:
        InputError: it cannot be used, or what belongs to it is gone.
    """
    state = load(path)
    if position.checkpoints is not None:
        check_best(state["callbacks"][position.checkpoints.state_key], path.with_name(BEST))
    held = logs_in(state)
    for name, one in position.logs.items():
        if name in held:
            one.restore(held[name], path.parents[1])
        else:
            log.warning("%s begins at step %d: the run did not log so before", name, state["global_step"])
    return Start(path, state["epoch"], state["global_step"], reason)


def check_best(chosen: dict[str, Any], best: Path) -> None:
    """Raise InputError if best weights are neither in a checkpoint nor in their own file.

    There may be those of a later epoch, of an attempt that came further: they will be chosen again.
    """
    if chosen["best"] and chosen["best_weights"] is None and load(best)["epoch"] < chosen["best"]["epoch"]:
        raise InputError(f"{best} is of an earlier epoch than the best weights were")


def logs_in(state: dict[str, Any]) -> dict[str, Any]:
    """Where the logs stood at a checkpoint, by name."""
    return state["callbacks"][Position.__qualname__]["logs"]
