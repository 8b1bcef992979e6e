"""Encore's Hydra plugins: Hydra looks for plugins only in this package.

Hydra imports this module at every start, so slow imports are deferred to where they are used.
"""

from collections.abc import Sequence
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write


class Places(SearchPathPlugin):
    """Puts the user's config folders before the engine's."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add them, unless another Hydra program in this environment is running."""
        from encore.config import places

        if any(each.provider == "main" and each.path == str(places.engine()) for each in search_path.get_path()):
            for folder in places.user():
                search_path.prepend(places.PROVIDER, f"file://{folder}", anchor="main")


class Encore(Sweeper):
    """Every combination of values or, with a sampler, a search for the best; a report at the end.

    Args:
        params: overrides with several values, as on the command line, which takes precedence.
        by: the settings that define the report's groups; null: all that differ.
        metric: of the report; a search optimises the best value of the monitored metric.
        sampler: `tpe`, `gp`, `random`, or a recipe of one of these Optuna samplers, for a search.
        trials: number of trials of a search.
        seed: a search's seed.
        parallel: number of trials proposed independently; the launcher may run them at once.
        pruner: `median`, or a recipe of an Optuna pruner, which ends unpromising trials.
        storage: an Optuna storage URL, or null for a file in the sweep's folder.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives, and put the sweep in its own folder."""
        from encore.fast.composition import composing_once
        from encore.sweep.launchers import launcher_of
        from encore.sweep.place import Setup, place_of

        hydra_context = composing_once(hydra_context)
        self.hydra_context, self.config, place = hydra_context, config, place_of(config)
        with read_write(config), open_dict(config):
            config.hydra.sweep.dir = str(place.exchange)
        self.launcher = launcher_of(config, hydra_context, task_function)
        self.given = Setup(config, hydra_context.config_loader, self.launcher, place)

    def sweep(self, arguments: list[str]) -> Any:
        from encore.sweep.sweep import sweep

        sweep(self.given, self.settings, arguments)


class Ray(Launcher):
    """Launches runs as tasks of a Ray cluster.

    Hydra's own Ray launcher (1.2.2) needs cloudpickle < 3, which conflicts with joblib 1.6.

    Args:
        init: arguments of `ray.init`; `address: auto` finds the cluster of this machine.
        remote: arguments of `ray.remote`: resources per run, such as `num_cpus` and `num_gpus`.
    """

    def __init__(self, init: DictConfig, remote: DictConfig) -> None:
        self.settings = {"init": init, "remote": remote}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives."""
        self.given = hydra_context, config, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs and wait for them."""
        from encore.sweep.ray import launch

        return launch(*self.given, self.settings, job_overrides, initial_job_idx)


class Population(Launcher):
    """Trains runs that differ in little more than their seeds together, as one batched model, and the others alone.

    Args:
        members: how many train together at most; `auto` measures a few steps both ways, and takes what is faster.
    """

    def __init__(self, members: int | str = "auto") -> None:
        self.members = members

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives."""
        self.given = hydra_context, config, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs and wait for them."""
        from encore.sweep.population import Launch

        return Launch(*self.given, self.members).run(job_overrides, initial_job_idx)
