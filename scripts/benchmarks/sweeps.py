"""What a run of a sweep costs beside its steps."""

import sys
import time
from collections import Counter
from typing import Any
from unittest import mock

from benchmarks.datasets import Place
from benchmarks.epochs import unseen
from benchmarks.figure import Figure
from benchmarks.records import timed
from encore.commands.train import main
from encore.fast.execution import Execution
from encore.sweep import grid, job

WARM_UP = 2  # runs: the first imports and reads what all of them use


def sweep_overhead(place: Place, runs: int = 15) -> Figure:
    """Compose, folder, manifest, TensorBoard, checkpoints, validation and test of a run of one epoch, in CPU ms."""
    spent: Counter[str] = Counter()
    samples: list[float] = []
    plain, since = job.run, time.process_time()

    def run(cfg: Any) -> float:
        nonlocal since
        monitored = plain(cfg)
        began, since = since, time.process_time()
        samples.append(since - began - spent.pop("steps"))
        return monitored

    words = [f"seed=range({runs + WARM_UP})", "hydra/launcher=basic", "trainer.max_epochs=1", "threads=1"]
    with (
        mock.patch.object(sys, "argv", ["train.py", "-m", *place.settings, *words]),
        mock.patch.object(Execution, "run", timed(Execution.run, "steps", spent)),
        mock.patch.object(grid, "composed", timed(grid.composed, "composed", spent)),
        mock.patch.object(job, "run", run),
        unseen(),
    ):
        main()
    composed = spent["composed"] / (runs + WARM_UP)  # all of them before the first run
    return Figure.of([1e3 * (composed + seconds) for seconds in samples[WARM_UP:]])
