"""Runs of claims that other processes make meanwhile."""

import logging
import os
import subprocess
import sys
from pathlib import Path

from encore.analysis.claims.claim import Claim
from encore.analysis.claims.runs import Runs
from encore.config import places
from encore.errors import EncoreError, Interrupted, Preempted
from encore.runner.populations import DECIDED
from encore.stopping import end_with

log = logging.getLogger("encore")


class Ahead:
    """Processes that make the runs of experiments from the last on, while this one makes them from the first on.

    Args:
        experiments: their names, in order.
        out: the folder of findings.
        jobs: how many processes there are, with this one.
    """

    def __init__(self, experiments: list[str], out: Path, jobs: int) -> None:
        self.experiments, self.out = experiments, out
        self.missing = min(jobs, len(experiments)) - 1
        self.processes: list[subprocess.Popen[bytes]] = []

    def begin(self) -> None:
        """Start them, if they have not been started: there is something to run."""
        while len(self.processes) < self.missing:
            last = len(self.experiments) - len(self.experiments) * len(self.processes) // (self.missing + 1)
            order = [*reversed(self.experiments[:last]), *reversed(self.experiments[last:])]
            options = ["--out", str(self.out), "--ahead", str(os.getpid())]
            words = [sys.executable, "-m", "encore", "claims", *order, *options]
            configs = os.pathsep.join(map(str, places.user()))  # a project is found by the command's own file, too
            nowhere = subprocess.DEVNULL
            try:
                process = subprocess.Popen(
                    words, stdin=nowhere, stdout=nowhere, stderr=nowhere, env={**os.environ, places.VARIABLE: configs}
                )
            except OSError as problem:  # this process makes all runs
                log.debug("%s", problem)
                self.missing = 0
            else:
                self.processes.append(process)

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, *problem: object) -> None:
        for process in self.processes:
            process.terminate()  # whose run, if there is one, is saved
        for process in self.processes:
            process.wait()


def run_ahead(recipes: dict[str, dict], out: Path, kept: dict[str, bytes], parent: int) -> None:
    """Make the runs that claims need and no other process makes.

    Args:
        recipes: the experiments' configs by name, in the order in which they run.
        out: the folder of findings.
        kept: what `recipe` kept of them.
        parent: the process that checks the claims.
    """
    end_with(parent)
    runs = Runs({**recipes}, out / DECIDED, kept, waits=False)
    for name, claim in [(name, Claim(**entry)) for name, cfg in recipes.items() for entry in cfg["claims"]]:
        for side in (name, claim.other):
            try:
                runs.of(side, claim)
            except (Interrupted, Preempted):
                return
            except EncoreError as problem:  # another process runs it, or will meet the same and say it
                log.debug("%s: %s", side, problem)
