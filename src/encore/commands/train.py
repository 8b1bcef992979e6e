"""Train one run, or sweep over many: `encore train model=mlp optim=adam`; `--help` lists the choices."""

import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from encore.config import places
from encore.errors import ConfigError, EncoreError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> None:
    if {"-h", "--help"} & set(sys.argv[1:]):
        from encore.config.help import text

        return print(text(), end="")
    import hydra  # not needed for the help

    from encore.config.compose import MISTAKES, explain
    from encore.config.words import words

    # Makes Hydra raise its errors instead of printing them, so that they can be explained here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv[1:] = words(sys.argv[1:])
    if {"-m", "--multirun"} & set(sys.argv):
        check_one_process()
    try:
        hydra.main(version_base="1.3", config_path=str(places.engine()), config_name="train")(train)()
    except MISTAKES as mistake:
        raise ConfigError(explain(mistake)) from mistake
    return None


def train(cfg: "DictConfig") -> float | None:
    """Run one config; in a sweep, return the monitored metric for the sweeper."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from encore.command import complain
    from encore.config.compose import resolved

    hydra_config = HydraConfig.get()
    if hydra_config.mode == RunMode.MULTIRUN:
        from encore.sweep import job

        return job.run(cfg)
    try:
        check_single(hydra_config)
        from encore.runner.execute import execute

        return execute(resolved(cfg)).monitored
    except EncoreError as error:
        sys.exit(complain(error))
    except Exception:  # raised by a user's model, say: never reported as a config mistake
        traceback.print_exc()
        sys.exit(ConfigError.code)


def check_one_process() -> None:
    """Raise ConfigError if a sweep is started by several processes."""
    from encore.config.launched import launched

    if (place := launched()) is not None:
        raise ConfigError(
            f"{place.by} started {place.ranks} processes, and each would start the sweep: start a sweep once; with "
            "trainer=ddp each of its runs starts its own ranks"
        )


def check_single(hydra_config: Any) -> None:
    """Raise ConfigError if a sweep is started without -m."""
    from encore.sweep.place import typed

    given = {word.partition("=")[0] for word in typed(hydra_config.overrides.task)}
    if axes := [name for name in hydra_config.sweeper.params or {} if name not in given]:
        name = hydra_config.runtime.choices.sweep
        raise ConfigError(f"sweep={name} has several values for {', '.join(axes)}: -m runs them all")
