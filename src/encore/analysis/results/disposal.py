"""Runs that are no longer wanted: put into a bin, or kept without their checkpoints."""

import math
import shlex
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from encore.analysis.results.conditions import Runs
from encore.config.directions import mode_of
from encore.config.named_runs import BIN, RESULT, SEAL
from encore.errors import ConfigError, InputError
from encore.files import free_place, make_folder, write_json, writing
from encore.record import seal
from encore.record.lock import held, is_held
from encore.record.result import Result
from encore.terminal import harmless, say, tell_left_out


def delete(folders: Sequence[Path], sure: bool) -> int:
    """Move runs into the bin of their folder of runs, once the user agrees.

    Raises:
        InputError: one of them is no run.
        Busy: one of them is running.
        CannotWrite: one of them cannot be moved.
    """
    once = {folder.resolve(): folder for folder in reversed(folders)}  # however a run is named
    tops = {folder: top_of(folder) for folder in reversed(once.values())}
    for folder, top in tops.items():
        if top.name == BIN:
            raise InputError(f"{folder} is in the bin already: rm -r {shlex.quote(str(top))} deletes for good")
    for folder in filter(is_held, tops):  # then none is moved
        with held(folder):
            pass
    for folder in tops:
        say(harmless(folder))
    if not (sure or agreed(f"move {plural(len(tops), 'run')} into the bin?")):
        return 0
    for folder, top in tops.items():
        if not folder.is_dir():
            raise InputError(f"{folder} was moved or deleted meanwhile")
        there = free_place(top / BIN / folder.relative_to(top))
        with held(folder), writing(folder):
            make_folder(there.parent)
            shutil.move(folder, there)
        remove_empty(folder.parent, top)
        above, source, target = (shlex.quote(str(path)) for path in (folder.parent, there, folder))
        say(harmless(f"mkdir -p {above} && mv {source} {target}  # gets it back"))
    for top in dict.fromkeys(tops.values()):
        say(harmless(f"rm -r {shlex.quote(str(top / BIN))}  # deletes for good all that is in the bin"))
    return 0


def top_of(folder: Path) -> Path:
    """The folder of all runs around a run, which may be damaged.

    Raises:
        InputError: it is no run.
    """
    try:
        return Result.read(folder).runs_dir
    except InputError:
        if not any((folder / name).is_file() for name in (RESULT, SEAL)):
            raise
        return folder.parent


def agreed(question: str) -> bool:
    """Ask a question on the terminal.

    Raises:
        ConfigError: nobody can answer.
    """
    if not sys.stdin.isatty():
        raise ConfigError(f"{question} --yes says so where there is no terminal")
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def plural(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def remove_empty(folder: Path, top: Path) -> None:
    """Remove folders that have become empty, up to a folder above them."""
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def keep_best(runs: Runs, count: int, metric: str | None, sure: bool) -> int:
    """Free the checkpoints of all finished runs but the best on each dataset, once the user agrees.

    Args:
        runs: among which to choose.
        count: how many keep theirs on a dataset: figures on others cannot be compared with them.
        metric: to choose by; None: the monitored one.
        sure: whether the user has agreed already.

    Raises:
        ConfigError: the runs cannot be compared.
    """
    finished = [run for run in runs.found if run.status == "finished"]
    check_metric(finished, metric)
    by_data: dict[str, list[Result]] = {}
    for run in sorted(finished, key=lambda run: worth(run, metric, runs), reverse=True):
        by_data.setdefault(str(runs.settings(run).get("data.name")), []).append(run)
    kept = [run for alike in by_data.values() for run in alike[:count]]
    freed = [(run, files) for run in finished if run not in kept and (files := checkpoints(run.folder))]
    if not freed:
        say("there is nothing to free")
        return 0
    size = sum(file.stat().st_size for _, files in freed for file in files)
    for run in kept:
        say(harmless(f"keeps its checkpoints: {run.folder}"))
    question = f"free the checkpoints of {plural(len(freed), 'run')}, {size / 1e6:,.1f} MB? They cannot be got back."
    if not (sure or agreed(question)):
        return 0
    problems = []
    for run, files in freed:
        try:
            free(run.folder, files)
        except InputError as problem:
            problems.append(str(problem))
    tell_left_out(problems)
    say(f"freed {size / 1e6:,.1f} MB of {plural(len(freed) - len(problems), 'run')}; their records stay")
    return InputError.code if problems else 0


def check_metric(runs: Sequence[Result], metric: str | None) -> None:
    monitored = {str(run.best.get("monitor")) for run in runs}
    if metric is None and len(monitored) > 1:
        raise ConfigError(
            f"the runs monitor different metrics ({', '.join(sorted(monitored))}): --metric or --where chooses"
        )
    if metric is not None and runs and not any(metric in run.metrics for run in runs):
        raise ConfigError(f"--metric {metric}: no run has it")


def worth(run: Result, metric: str | None, runs: Runs) -> float:
    """A number that is greater for a better run."""
    value = run.monitored if metric is None else run.metrics.get(metric)
    if value is None or math.isnan(value):
        return -math.inf
    mode = mode_of(metric) if metric else runs.settings(run).get("monitor.mode")
    return -value if mode == "min" else value


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints that are still there."""
    return sorted(file for file in (folder / "checkpoints").glob("*.ckpt") if file.is_file() and not file.is_symlink())


def free(folder: Path, files: Sequence[Path]) -> None:
    """Remove files of a sealed run, and record that.

    Raises:
        Altered: the record is not what the run left.
        Busy: somebody holds the run.
    """
    sealed = seal.read(folder)
    if sealed is None:
        raise InputError(f"{folder} has no {seal.FILE}: what is removed of it would not be told from what is lost")
    with held(folder), writing(folder):
        seal.check_all(folder)
        names = [file.relative_to(folder).as_posix() for file in files]
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(folder / seal.FREED, {**seal.freed(folder), **dict.fromkeys(names, now)})
        for file in files:
            file.unlink()
