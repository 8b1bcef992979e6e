"""One run of a sweep, in whatever process its launcher gives it."""

import itertools
import math
import os
import sys
import time
import traceback
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from encore.compose import plain
from encore.errors import Busy, EncoreError, Pruned
from encore.fingerprint import fingerprint
from encore.record import terminal
from encore.record.lock import held
from encore.record.record import folder_of
from encore.runner import execute
from encore.sweep import pruning
from encore.sweep.outcome import Outcome

# Set by the process that begins a sweep: its number, and the GPUs that the others share out, as CUDA names them.
BEGAN, GPUS = "ENCORE_SWEEP_PROCESS", "ENCORE_SWEEP_GPUS"
# What this process holds for as long as it lives.
held_here = ExitStack()


def run(cfg: DictConfig) -> float:
    """Run one config of a sweep without a word, and leave its outcome in the sweep's folder.

    Returns:
        The best value of the monitored metric, for any sweeper of Hydra's: NaN where there is none.
    """
    hydra: Any = HydraConfig.get()
    os.chdir(hydra.runtime.cwd)  # a process on another machine begins elsewhere
    place, number = Path(hydra.sweep.dir), int(hydra.job.num)
    place.mkdir(parents=True, exist_ok=True)
    take_gpu(place)
    here = os.environ.get(BEGAN) == str(os.getpid())
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), terminal.bars(here):
        outcome = attempt(cfg, place, number)
    outcome.write(place)
    if outcome.status == "preempted" and here:  # the whole sweep is meant
        sys.exit(outcome.code)
    return math.nan if outcome.monitored is None else outcome.monitored


def attempt(cfg: DictConfig, place: Path, number: int) -> Outcome:
    """Run a config, whatever becomes of it."""
    began, folder = time.monotonic(), None
    what: dict[str, Any]
    try:
        config = plain(cfg)
        folder = folder_of(config, fingerprint(config))
        before = folder / "result.json"
        known = before.stat().st_mtime_ns if before.exists() else None
        result = execute(config, lambda: pruning.callbacks(place, number))
        folder = result.folder
        what = {
            "status": "finished",
            "code": 0,
            "monitored": result.monitored,
            "metrics": result.metrics,
            "repeated": before.stat().st_mtime_ns == known,
        }
    except EncoreError as problem:
        named = type(problem).__name__.lower() if isinstance(problem, Busy | Pruned) else problem.status
        what = {"status": named, "code": problem.code, "error": str(problem)}
    except Exception:
        what = {"status": "failed", "code": 1, "error": traceback.format_exc()}
    there = folder is not None and folder.is_dir()
    return Outcome(
        number,
        seconds=round(time.monotonic() - began, 3),
        folder=str(folder) if there else None,
        values=pruning.values(folder) if folder is not None and there else {},
        **what,
    )


def take_gpu(place: Path) -> None:
    """Where several GPUs are shared out, keep one to this process, before anything looks for devices."""
    gpus = os.environ.pop(GPUS, "").split(",")
    if len(gpus) < 2:
        return
    for number in itertools.count():
        try:
            held_here.enter_context(held(place / f"process{number}"))
        except Busy:
            continue
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
        return
