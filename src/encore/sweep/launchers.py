"""Which launcher runs a sweep, and how to install a missing one."""

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from encore.config.hints import installing
from encore.errors import ConfigError


def launcher_of(config: DictConfig, context: HydraContext, task: TaskFunction) -> Launcher:
    """The launcher that the config names.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return Plugins.instance().instantiate_launcher(hydra_context=context, task_function=task, config=config)
    except (RuntimeError, ImportError) as problem:
        choice = config.hydra.runtime.choices["hydra/launcher"]
        extra = choice.partition("_")[0]
        raise ConfigError(f"hydra/launcher={choice} is not installed: {installing(extra)} ({problem})") from problem
