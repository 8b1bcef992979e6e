"""Runs on a Ray cluster."""

from collections.abc import Sequence
from typing import Any

import ray
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict


def launch(
    context: HydraContext,
    config: DictConfig,
    task: TaskFunction,
    settings: dict[str, DictConfig],
    jobs: Sequence[Sequence[str]],
    first: int,
) -> Sequence[JobReturn]:
    """Run jobs as Ray tasks and wait for them.

    Args:
        context: Hydra's context.
        config: the sweep's config.
        task: what runs a job.
        settings: `init`, the arguments of `ray.init`, and `remote`, those of `ray.remote`.
        jobs: the overrides of each.
        first: number of the first job.
    """
    if not ray.is_initialized():
        ray.init(**resolved(settings["init"]))
    remote = ray.remote(**resolved(settings["remote"]))(run)
    waiting = []
    for number, overrides in enumerate(jobs, first):
        of_job = context.config_loader.load_sweep_config(config, list(overrides))
        with open_dict(of_job):
            of_job.hydra.job.id = of_job.hydra.job.num = number
        waiting.append(remote.remote(context, of_job, task, Singleton.get_state()))
    return ray.get(waiting)


def run(context: HydraContext, config: DictConfig, task: TaskFunction, state: Any) -> JobReturn:
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


def resolved(config: DictConfig) -> dict[str, Any]:
    settings: Any = OmegaConf.to_container(config, resolve=True)
    return settings
