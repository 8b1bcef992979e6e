"""Where a run resumes: at its own last good checkpoint, or where a shorter run ended."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from encore.callbacks.lightning import ModelFiles
from encore.callbacks.position import Position
from encore.config.accelerator import device_count
from encore.config.launched import so_many
from encore.errors import InputError
from encore.loggers.services import service_of
from encore.record.checkpoint_files import BEST, LAST, PREVIOUS, digests, save, weights
from encore.record.checkpoint_files import best as best_of
from encore.record.checkpoint_files import state as state_of
from encore.record.lock import held
from encore.record.record import Record
from encore.record.start import Start
from encore.runner.other_ranks import check, described, regroup, stopped_on_other_ranks
from encore.terminal import harmless

LIGHTNINGS = "lightning_logs"  # what Lightning's loggers call their folder, unless told otherwise
log = logging.getLogger("encore")


def begin(record: Record, position: Position, task: pl.LightningModule) -> Start | None:
    """Prepare a run's folder: rewind it to the checkpoint to resume from, or clear it for the first step.

    Raises:
        InputError: there are checkpoints, and none of them can be used.
    """
    own = own_checkpoints(record)
    if own:
        return go_on(own, record, position)
    clear(record, position)
    if record.cfg.get("continue_from"):
        return continue_other(record, position, task)
    shorter = record.shorter()
    if shorter is not None and (start := go_on_from_shorter(shorter.folder, record, position)):
        return start
    if record.before is not None:
        log.info("start    at the first step: the previous attempt left no checkpoint")
    elif (other := stopped_on_other_ranks(record)) is not None:
        log.info("start    at the first step; %s", other)
    return None


def clear(record: Record, position: Position) -> None:
    """Remove what an attempt before has left: of the run itself, and of Lightning's callbacks and loggers in it."""
    record.clear()
    for log in position.logs.values():
        if isinstance(log, ModelFiles):
            log.restore(log.beginning, record.folder)
    for recipe in filter(None, (record.cfg["logger"] or {}).values()):
        if (service := service_of(str(recipe.get("_target_")))) is not None and service.local:
            place = record.folder / (recipe.get("save_dir") or "") / (recipe.get("name", LIGHTNINGS) or "")
            for version in place.glob(str(recipe.get("version") or "version_*")):
                if (
                    version.is_dir()
                    and not version.is_symlink()
                    and version.resolve().is_relative_to(record.folder.resolve())
                ):
                    shutil.rmtree(version)


def own_checkpoints(record: Record) -> list[Path]:
    """The checkpoints that a previous attempt left, or should have left; none is read, nothing is changed."""
    last = record.checkpoints / LAST
    previous = last.with_name(PREVIOUS)
    left = LAST in digests(last.parent) or last.is_file() or previous.is_file()
    return [last, previous] if left else []


def go_on(checkpoints: list[Path], record: Record, position: Position) -> Start:
    """Rewind to the first usable checkpoint.

    Raises:
        InputError: none can.
    """
    problems = []
    for path in checkpoints:
        try:
            return rewind(path, state_of(path), position, reason(record))
        except InputError as problem:
            problems.append(str(problem))
            log.warning("%s", problem)
    raise InputError(
        "\n".join([*problems, f"no usable checkpoint is left: fresh=true starts the run over, beside {record.folder}"])
    )


def reason(record: Record) -> str:
    """Why a run was resumed: how the previous attempt ended."""
    before = record.before
    if before is None or before.status == "running":
        return "killed"
    return harmless(f"{before.status}: {before.error}")


def go_on_from_shorter(folder: Path, record: Record, position: Position) -> Start | None:
    """Take over a finished shorter run's logs at its last checkpoint, and its best weights.

    None if they cannot be used, or if that run used other loggers; the logs are then back at their beginning.
    """
    last, best = folder / "checkpoints" / LAST, folder / "checkpoints" / BEST
    try:
        state = state_of(last)
        if not position.logs.keys() <= logs_in(state, last).keys():
            return None
        start = rewind(last, state, position, f"more epochs than {folder.name}")
        if position.checkpoints is not None:
            position.checkpoints.best_weights = weights(best)
    except InputError as problem:
        log.warning("%s\nthe run begins at its first step", problem)
        for one in position.logs.values():
            one.restore(one.beginning, record.folder)
        return None
    return replace(start, longer=True)


def continue_other(record: Record, position: Position, task: pl.LightningModule) -> Start:
    """Take over the logs and the last checkpoint of a run on another number of ranks, divided anew.

    Raises:
        InputError: it is another run in more than that, or it has no usable checkpoint.
        Busy: it is running.
    """
    there = Path(record.cfg["continue_from"])
    with held(there.parent):
        check(record, there.parent)
        path = there / LAST
        state, other = state_of(path), described(there)
        start = rewind(path, state, position, f"{other['run']} was continued on another number of ranks")
        if position.checkpoints is not None:
            bring_best(state["callbacks"][position.checkpoints.state_key], there / BEST)
        regroup(state, task, device_count(record.cfg))
        save(state, record.checkpoints / LAST)
    return replace(start, path=record.checkpoints / LAST, other=f"{other['run']} (on {so_many(other['ranks'])})")


def bring_best(chosen: dict[str, Any], file: Path) -> None:
    """Put the best weights into a checkpoint; if they are those of a later epoch, begin the choice anew."""
    if not chosen["best"] or chosen["best_weights"] is not None:
        return
    best = best_of(file)
    if best["best"] == chosen["best"]:
        chosen["best_weights"] = best["state_dict"]
    else:
        chosen["best"] = {}
        log.warning(
            "the best weights up to here are lost: %s is from epoch %d, which comes later; the best are chosen anew",
            file, best["epoch"],
        )  # fmt: skip


def rewind(path: Path, state: dict[str, Any], position: Position, reason: str) -> Start:
    """Rewind logs to where they stood at a checkpoint.

    Raises:
        InputError: files that belong to it are missing.
    """
    if position.checkpoints is not None:
        check_best(chosen_in(state, position.checkpoints.state_key, path), path.with_name(BEST))
    held = logs_in(state, path)
    for name, one in position.logs.items():
        if name in held:
            one.restore(held[name], path.parents[1])
        else:
            log.warning("%s begins at step %d: the run did not use this logger before", name, state["global_step"])
    return Start(path, state["epoch"], state["global_step"], reason)


def check_best(chosen: dict[str, Any], best: Path) -> None:
    """Raise InputError if the best weights are neither in a checkpoint nor in their own file.

    best.ckpt may be from a later epoch, if a previous attempt got further: that epoch will be chosen again.
    """
    if chosen["best"] and chosen["best_weights"] is None and best_of(best)["epoch"] < chosen["best"]["epoch"]:
        raise InputError(f"{best} is from an earlier epoch than the best weights")


def chosen_in(state: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    """Which weights were the best at a checkpoint.

    Raises:
        InputError: it does not say.
    """
    chosen = state["callbacks"].get(key, {})
    best = chosen.get("best")
    if "best_weights" not in chosen or not isinstance(best, dict) or (best and not isinstance(best.get("epoch"), int)):
        raise InputError(f"{path} is no checkpoint to go on from: it does not say which weights are the best")
    return chosen


def logs_in(state: dict[str, Any], path: Path) -> dict[str, Any]:
    """Positions of the logs at a checkpoint, by name.

    Raises:
        InputError: it does not say.
    """
    logs = state["callbacks"].get(Position.__qualname__, {}).get("logs")
    if not isinstance(logs, dict):
        raise InputError(f"{path} is no checkpoint to go on from: it does not say where the logs stood")
    return logs
