"""One run of a sweep, in whatever process its launcher gives it."""

import itertools
import math
import os
import platform
import sys
import time
import traceback
from contextlib import ExitStack, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from encore.compose import plain
from encore.config import monitored
from encore.errors import Busy, EncoreError, Pruned
from encore.fingerprint import fingerprint
from encore.record import terminal
from encore.record.lock import held
from encore.record.record import folder_of
from encore.runner import execute
from encore.stopping import Stop
from encore.sweep import pruning
from encore.sweep.outcome import Outcome
from encore.sweep.stop import asked, listening

if TYPE_CHECKING:
    import pytorch_lightning as pl

# Set by the process that begins a sweep: which it is, and the GPUs that others share out, as CUDA names them.
BEGAN, GPUS = "ENCORE_SWEEP_PROCESS", "ENCORE_SWEEP_GPUS"
# What this process holds for as long as it lives.
held_here = ExitStack()


def run(cfg: DictConfig) -> float:
    """Run one config of a sweep without a word, and leave its outcome where the sweep waits for it.

    Returns:
        The best value of the monitored metric, for any sweeper of Hydra's: NaN where there is none.
    """
    hydra: Any = HydraConfig.get()
    os.chdir(hydra.runtime.cwd)  # a process on another machine begins elsewhere
    exchange, number = Path(hydra.sweep.dir), int(hydra.job.num)
    if asked(exchange):
        return math.nan
    here = os.environ.get(BEGAN) == this_process()
    take_gpu(exchange)
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stdout(nowhere),
        terminal.bars(here),
        nullcontext() if here else Stop(),
        nullcontext() if here else listening(exchange),
    ):
        outcome = attempt(cfg, exchange, number)
    outcome.write(exchange)
    if outcome.status == "preempted" and here:  # the whole sweep is meant
        sys.exit(outcome.code)
    return math.nan if outcome.monitored is None else outcome.monitored


def attempt(cfg: DictConfig, exchange: Path, number: int) -> Outcome:
    """Run a config, whatever becomes of it."""
    began, folder = time.monotonic(), None
    what: dict[str, Any] = {}
    judge = pruning.asked(exchange, number)
    try:
        config = plain(cfg)
        what["monitor"], _ = monitored(config)
        folder = folder_of(config, fingerprint(config))
        before = folder / "result.json"
        known = before.stat().st_mtime_ns if before.exists() else None
        result = execute(config, lambda: callbacks(judge))
        folder = result.folder
        what |= {"status": "finished", "code": 0, "monitored": result.monitored, "metrics": result.metrics}
        what["repeated"] = before.stat().st_mtime_ns == known
    except EncoreError as problem:
        named = type(problem).__name__.lower() if isinstance(problem, Busy | Pruned) else problem.status
        what |= {"status": named, "code": problem.code, "error": str(problem)}
    except Exception:
        what |= {"status": "failed", "code": 1, "error": traceback.format_exc()}
    if folder is not None and folder.is_dir():
        what |= {"folder": str(folder), "values": pruning.values(folder, what["monitor"]) if judge else {}}
    return Outcome(number, seconds=round(time.monotonic() - began, 3), **what)


def callbacks(judge: dict[str, Any] | None) -> "list[pl.Callback]":
    """What watches a run: nothing, unless it is to be judged."""
    if judge is None:
        return []
    from encore.sweep.judge import Judge

    return [Judge(**judge)]


def this_process() -> str:
    """What tells this process from others, also of other machines."""
    return f"{os.getpid()}@{platform.node()}"


def take_gpu(exchange: Path) -> None:
    """Where several GPUs are shared out, keep one to this process, before anything looks for devices."""
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
