"""Runs of a sweep that train together in one process; see `encore.population`."""

import copy
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write
from tqdm import tqdm

from encore import terminal
from encore.config.compose import resolved
from encore.errors import ConfigError, EncoreError, InputError, Preempted
from encore.files import read_json, write_json
from encore.population.network import Programs
from encore.population.population import Population
from encore.population.refusals import against_config
from encore.provenance.fingerprint import computing, hash_of
from encore.sweep import pruning
from encore.sweep.job import attempt
from encore.sweep.outcome import Outcome
from encore.sweep.stop import asked
from encore.sweep.trial import Tried, tried

DECIDED = "population.json"
# Settings in which the members of a population may differ.
VALUES = (
    "seed", "optim.lr", "optim.weight_decay", "data.bootstrap", "data.fold", "data.split_seed", "data.weights.path",
    "task.init_seed", "task.init_skip", "model.weight", "model.bias", "model.start",
)  # fmt: skip


class Launch:
    """Launches a sweep's runs: those that differ in no more than they may together, the others one after the other.

    Args:
        context: Hydra's context.
        config: the sweep's config.
        task: what runs a job.
        members: how many train together at most; `auto` measures whether that is faster, and how many fit into memory.
    """

    def __init__(self, context: HydraContext, config: DictConfig, task: TaskFunction, members: int | str) -> None:
        if members != "auto" and not (isinstance(members, int) and members >= 1):
            raise ConfigError(f"hydra.launcher.members must be auto or a number, at least 1, not {members}")
        self.context, self.config, self.task, self.members = context, config, task, members
        self.exchange = Path(config.hydra.sweep.dir)
        self.outcomes: dict[int, Outcome] = {}
        self.programs: dict[str, Programs] = {}

    def run(self, jobs: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Run jobs, numbered from `first`, and wait for them."""
        setup_globals()
        numbered = dict(enumerate(jobs, first))
        groups: dict[str, dict[int, dict]] = {}
        for number, overrides in numbered.items():
            known = self.plain(overrides, number)
            key = str(number) if known is None else hash_of(without(computing(known), VALUES))
            groups.setdefault(key, {})[number] = known or {}
        returned: dict[int, JobReturn] = {}
        for key, group in groups.items():
            together = self.size(key, group)
            if together is None:
                returned |= {number: self.alone(numbered[number], number) for number in group}
            elif not asked(self.exchange):
                returned |= self.together(group, together, self.programs.setdefault(key, {}))
        return [returned[number] for number in sorted(returned)]

    def composed(self, overrides: Sequence[str], number: int) -> DictConfig:
        """A job's config, with Hydra's part."""
        config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return config

    def plain(self, overrides: Sequence[str], number: int) -> dict | None:
        """A job's checked config; None if it cannot be one of several that train together."""
        config = self.composed(overrides, number)
        HydraConfig.instance().set_config(config)
        with read_write(config), open_dict(config):
            del config["hydra"]
        try:
            known = resolved(config)
        except EncoreError:  # it will say so itself
            return None
        return None if pruning.asked(self.exchange, number) else known

    def size(self, key: str, group: dict[int, dict]) -> int | None:
        """How many of a group train together; None: each alone, and it has been said why.

        What was decided for a group stays, also for those of it that are missing where the sweep is run again.
        """
        file, name = self.exchange.parent.parent / DECIDED, f"{key[:16]} {self.members}"
        try:
            known: dict[str, Any] = read_json(file)
        except InputError:
            known = {}
        if name not in known:
            if len(group) < 2:
                return None
            try:
                found = self.decide(key, next(iter(group.values())), len(group))
            except EncoreError:  # the runs will say so themselves
                return None
            known[name] = {"members": found.members, "said": found.said}
            write_json(file, known)
        tqdm.write(known[name]["said"])
        size: int | None = known[name]["members"]
        return size

    def decide(self, key: str, cfg: dict, runs: int) -> Tried:
        """How many of several runs train together."""
        if reason := against_config(cfg):
            return Tried(None, f"{runs} runs one after the other: {reason}")
        most = None if self.members == "auto" else int(self.members)
        try:
            return tried(cfg, runs, most, self.programs.setdefault(key, {}))
        except ConfigError as problem:
            return Tried(None, f"{runs} runs one after the other: {problem}")

    def alone(self, overrides: Sequence[str], number: int) -> JobReturn:
        """Run one job, as Hydra's own launcher does."""
        return run_job(
            hydra_context=self.context, task_function=self.task, config=self.composed(overrides, number),
            job_dir_key="hydra.sweep.dir", job_subdir_key="hydra.sweep.subdir",
        )  # fmt: skip

    def together(self, group: dict[int, dict], size: int, programs: Programs) -> dict[int, JobReturn]:
        """Run jobs as populations of one size."""
        numbers = list(group)
        for place in range(0, len(numbers), size):
            population = Population(size, programs)
            for number in numbers[place : place + size]:
                population.starts.append(partial(self.start, {**group[number], "population": size}, number, population))
            with (
                Path(os.devnull).open("w", encoding="utf-8") as nowhere,
                redirect_stdout(nowhere),
                terminal.bars(False),
            ):
                population.go_on()
            if stopped := [each.code for each in self.outcomes.values() if each.status == "preempted"]:
                sys.exit(max(stopped))  # the signal was meant for the whole sweep
        return {number: self.returned(number) for number in numbers}

    def start(self, cfg: dict, number: int, population: Population) -> None:
        """Run one job as a member."""
        made = partial(with_companion, population)
        self.outcomes[number] = outcome = attempt(lambda: cfg, self.exchange, number, made)
        outcome.write(self.exchange)
        if outcome.status == "preempted":
            population.stop(Preempted("stopped; the same command continues the run"))

    def returned(self, number: int) -> JobReturn:
        """What Hydra expects of a job."""
        done = JobReturn(status=JobStatus.COMPLETED)
        done.return_value = self.outcomes[number].monitored
        return done


def with_companion(population: Population) -> list[Any]:
    return [population.companion()]


def without(cfg: dict, paths: Sequence[str]) -> dict:
    """A config without some settings."""
    kept: dict[str, Any] = copy.deepcopy(cfg)
    for path in paths:
        *parents, last = path.split(".")
        node: Any = kept
        for key in parents:
            node = node.get(key) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)
    return kept
