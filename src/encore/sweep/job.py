"""One run of a sweep, in whatever process the launcher starts."""

import itertools
import math
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from encore import terminal
from encore.config import places
from encore.config.compose import resolved
from encore.config.facts import monitored
from encore.errors import Busy, EncoreError, InputError, Pruned
from encore.files import explained
from encore.provenance.fingerprint import identity
from encore.record.lock import held
from encore.record.record import folder_of
from encore.runner.execute import execute
from encore.stopping import Stop, end_with
from encore.sweep import pruning
from encore.sweep.outcome import Outcome
from encore.sweep.stop import asked, listening

if TYPE_CHECKING:
    import pytorch_lightning as pl

# Set by the process that starts a sweep: its identity, and the GPUs that its workers share, as CUDA names them.
BEGAN, GPUS = "ENCORE_SWEEP_PROCESS", "ENCORE_SWEEP_GPUS"
# Locks that this process holds until it exits.
held_here = ExitStack()


def run(cfg: DictConfig) -> float:
    """Run one config of a sweep silently, and write its outcome to the folder that the sweep watches.

    Returns:
        The best value of the monitored metric, for any Hydra sweeper; NaN if there is none.
    """
    hydra: Any = HydraConfig.get()
    os.chdir(hydra.runtime.cwd)  # a process on another machine starts elsewhere
    places.adopt(each.path for each in hydra.runtime.config_sources if each.provider == places.PROVIDER)
    places.extend_path()
    exchange, number = Path(hydra.sweep.dir), int(hydra.job.num)
    if asked(exchange):
        return math.nan
    here = os.environ.get(BEGAN) == process(os.getpid())
    if os.environ.get(BEGAN) == process(os.getppid()):
        end_with(os.getppid())
    take_gpu(exchange)
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        terminal.bars(here),
        nullcontext() if here else Stop(),
        nullcontext() if here else listening(exchange),
    ):
        judge = pruning.asked(exchange, number)
        outcome = attempt(lambda: resolved(cfg), exchange, number, lambda: callbacks(judge), judge is not None)
    outcome.write(exchange)
    if outcome.status == "preempted" and here:  # the signal was meant for the whole sweep
        sys.exit(outcome.code)
    return math.nan if outcome.monitored is None else outcome.monitored


def attempt(
    compose: Callable[[], dict],
    exchange: Path,
    number: int,
    watchers: "Callable[[], list[pl.Callback]]",
    judged: bool = False,
) -> Outcome:
    """Run a config and return its outcome, even if it fails.

    Args:
        compose: gives the config.
        exchange: the folder that the sweep watches.
        number: of the run in its sweep.
        watchers: as `execute` takes them.
        judged: whether a search wants to know the monitored metric of every epoch.
    """
    began, folder = time.monotonic(), None
    what: dict[str, Any] = {}
    try:
        with explained():
            config = compose()
            what["monitor"], _ = monitored(config)
            known = identity(config)
            folder = folder_of(config, known)
            before = folder / "result.json"
            written = before.stat().st_mtime_ns if before.exists() else None
        result = execute(config, watchers, known=known)
        folder = result.folder
        what |= {"status": "finished", "code": 0, "monitored": result.monitored, "metrics": result.metrics}
        what["repeated"] = before.stat().st_mtime_ns == written
    except EncoreError as problem:
        named = type(problem).__name__.lower() if isinstance(problem, Busy | Pruned) else problem.status
        what |= {"status": named, "code": problem.code, "error": str(problem)}
    except Exception:
        what |= {"status": "failed", "code": 1, "error": traceback.format_exc()}
    if folder is not None and folder.is_dir():
        what["folder"] = str(folder)
        try:
            what["values"] = pruning.values(folder, what["monitor"]) if judged else {}
        except InputError as problem:
            what |= {"status": "failed", "code": problem.code, "error": str(problem)}
    return Outcome(number, seconds=round(time.monotonic() - began, 3), **what)


def callbacks(judge: dict[str, Any] | None) -> "list[pl.Callback]":
    if judge is None:
        return []
    from encore.sweep.judge import Judge

    return [Judge(**judge)]


def process(number: int) -> str:
    """Identifies a process of this machine, across machines, too."""
    return f"{number}@{platform.node()}"


def take_gpu(exchange: Path) -> None:
    """If several GPUs are shared, reserve one for this process, before anything looks for devices."""
    gpus = os.environ.pop(GPUS, "").split(",")
    if len(gpus) < 2:
        return
    for number in itertools.count():
        try:
            held_here.enter_context(held(exchange / f"process{number}"))
        except Busy:
            continue
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
        return
