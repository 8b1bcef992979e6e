"""The launcher of sweeps whose runs train together; see `encore.population`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

from encore.config.compose import resolved
from encore.errors import ConfigError, EncoreError, Preempted
from encore.population.population import MOST, Population
from encore.runner.populations import DECIDED, Together
from encore.sweep import pruning
from encore.sweep.job import attempt
from encore.sweep.outcome import Outcome
from encore.sweep.stop import asked


class Launch:
    """Launches a sweep's runs: those that differ in no more than they may together, the others one after the other.

    Args:
        context: Hydra's context.
        config: the sweep's config.
        task: what runs a job.
        members: how many train together at most; `auto` measures whether that is faster, and how many fit into memory.
    """

    def __init__(self, context: HydraContext, config: DictConfig, task: TaskFunction, members: int | str) -> None:
        if members != "auto" and not (isinstance(members, int) and 1 <= members <= MOST):
            raise ConfigError(f"hydra.launcher.members must be auto or a number, 1 to {MOST}, not {members}")
        self.context, self.config, self.task = context, config, task
        self.exchange = Path(config.hydra.sweep.dir)
        self.together = Together(members, self.exchange.parent.parent / DECIDED)
        self.outcomes: dict[int, Outcome] = {}

    def run(self, jobs: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Run jobs, numbered from `first`, and wait for them."""
        setup_globals()
        numbered = dict(enumerate(jobs, first))
        returned: dict[int, JobReturn] = {}
        for group in self.together.groups({number: self.plain(job, number) for number, job in numbered.items()}):
            size = self.together.size(group)
            if size is None:
                returned |= {number: self.alone(numbered[number], number) for number in group.configs}
            elif not asked(self.exchange):
                for _ in self.together.train(group, size, self.start):
                    if stopped := [each.code for each in self.outcomes.values() if each.status == "preempted"]:
                        sys.exit(max(stopped))  # the signal was meant for the whole sweep
                returned |= {number: self.returned(number) for number in group.configs}
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
        HydraConfig.instance().cfg = SimpleNamespace(hydra=config.hydra)  # type: ignore[assignment]  # set_config copies
        with read_write(config), open_dict(config):
            del config["hydra"]
        try:
            known = resolved(config)
        except EncoreError:  # it will say so itself
            return None
        return None if pruning.asked(self.exchange, number) else known

    def alone(self, overrides: Sequence[str], number: int) -> JobReturn:
        """Run one job, as Hydra's own launcher does."""
        return run_job(
            hydra_context=self.context, task_function=self.task, config=self.composed(overrides, number),
            job_dir_key="hydra.sweep.dir", job_subdir_key="hydra.sweep.subdir",
        )  # fmt: skip

    def start(self, cfg: dict, number: int, population: Population) -> None:
        """Run one job as a member."""
        self.outcomes[number] = outcome = attempt(lambda: cfg, self.exchange, number, lambda: [population.companion()])
        outcome.write(self.exchange)
        if outcome.status == "preempted":
            population.stop(Preempted("stopped; the same command continues the run"))

    def returned(self, number: int) -> JobReturn:
        """What Hydra expects of a job."""
        done = JobReturn(status=JobStatus.COMPLETED)
        done.return_value = self.outcomes[number].monitored
        return done
