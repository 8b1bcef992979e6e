"""What `hydra/sweeper` and `hydra/launcher` can name of Encore's: Hydra looks for plugins in this package alone.

Hydra imports this module at every start, so that whatever takes time is imported where it is used.
"""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write


class Encore(Sweeper):
    """Every combination of values or, with a sampler, a search for the best; a report at the end.

    Args:
        params: overrides with several values, as on the command line, whose own come on top.
        by: the settings that make the report's groups; all that differs without.
        metric: of the report; a search's is the best value of the monitored one.
        sampler: `tpe`, `gp`, `random`, or a recipe of one of these samplers of Optuna's, for a search.
        trials: how many a search has.
        seed: of a search.
        parallel: trials that are proposed without knowing of each other; the launcher may run them at once.
        pruner: `median`, or a recipe of a pruner of Optuna's, which ends trials that are behind.
        storage: of Optuna: a URL, or null for a file in the sweep's folder.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives, and keep the sweep in its own folder."""
        from encore.sweep.launchers import launcher_of
        from encore.sweep.place import Setup, place_of

        self.hydra_context, self.config, place = hydra_context, config, place_of(config)
        with read_write(config), open_dict(config):
            config.hydra.sweep.dir = str(place.exchange)
        self.launcher = launcher_of(config, hydra_context, task_function)
        self.given = Setup(config, hydra_context.config_loader, self.launcher, place)

    def sweep(self, arguments: list[str]) -> Any:
        """Run it."""
        from encore.sweep.sweep import sweep

        sweep(self.given, self.settings, arguments)


class Ray(Launcher):
    """Runs as tasks of a Ray cluster.

    Hydra's own Ray launcher needs cloudpickle before 3, joblib 1.6 a later one (hydra-ray-launcher 1.2.2).

    Args:
        init: arguments of `ray.init`; `address: auto` finds the cluster of this machine.
        remote: arguments of `ray.remote`: what a run needs, such as `num_cpus` and `num_gpus`.
    """

    def __init__(self, init: DictConfig, remote: DictConfig) -> None:
        self.settings = {"init": init, "remote": remote}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives to a launcher."""
        self.given = hydra_context, config, task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs, and wait for them."""
        from encore.sweep.ray import launch

        return launch(*self.given, self.settings, job_overrides, initial_job_idx)
