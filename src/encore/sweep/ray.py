"""Runs on a Ray cluster."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ray
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

if TYPE_CHECKING:
    from hydra_plugins.encore_plugins import Ray


def launch(launcher: "Ray", jobs: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
    """Run jobs as Ray's tasks, and wait for them."""
    if not ray.is_initialized():
        ray.init(**plain(launcher.init))
    remote = ray.remote(**plain(launcher.remote))(run)
    loader, state = launcher.hydra_context.config_loader, Singleton.get_state()
    waiting = []
    for number, overrides in enumerate(jobs, first):
        config = loader.load_sweep_config(launcher.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        waiting.append(remote.remote(launcher.hydra_context, config, launcher.task_function, state))
    return ray.get(waiting)


def run(context: HydraContext, config: DictConfig, task: TaskFunction, state: Any) -> JobReturn:
    """Run one job in a process of Ray's."""
    setup_globals()
    Singleton.set_state(state)
    HydraConfig.instance().set_config(config)
    return run_job(
        hydra_context=context,
        config=config,
        task_function=task,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def plain(config: DictConfig) -> dict[str, Any]:
    """Settings as Ray takes them."""
    settings: Any = OmegaConf.to_container(config, resolve=True)
    return settings
