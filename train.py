"""Train one run, or sweep over many: `python train.py model=mlp optim=adam`; `--help` lists what there is."""

import os
import sys
import traceback
from typing import Any

try:
    from encore.help import text

    if {"-h", "--help"} & set(sys.argv[1:]):
        print(text(), end="")
        sys.exit(0)

    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig

    from encore.command import complain, end
    from encore.compose import CONFIGS, MISTAKES, explain, plain
    from encore.errors import ConfigError, EncoreError
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed here: `make setup` makes the environment, .venv/bin/python runs in it")


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def train(cfg: DictConfig) -> float | None:
    """Run one config; as one of a sweep, return the monitored metric for the sweeper."""
    hydra_config = HydraConfig.get()
    if hydra_config.mode == RunMode.MULTIRUN:
        from encore.sweep import job

        return job.run(cfg)
    try:
        check_single(hydra_config)
        from encore.runner import execute

        return execute(plain(cfg)).monitored
    except EncoreError as error:
        sys.exit(complain(error))
    except Exception:  # of somebody's model, say: never taken for a mistake in a config
        traceback.print_exc()
        sys.exit(ConfigError.code)


def check_single(hydra_config: Any) -> None:
    """Raise ConfigError where a sweep is asked for as if it were one run."""
    given = {word.partition("=")[0] for word in hydra_config.overrides.task}
    if axes := [name for name in hydra_config.sweeper.params or {} if name not in given]:
        name = hydra_config.runtime.choices.sweep
        raise ConfigError(f"sweep={name} has several values for {', '.join(axes)}: -m runs them all")


def main() -> None:
    """Run the command line."""
    # Hydra then raises its errors instead of printing them, and they can be explained here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        train()
    except MISTAKES as mistake:
        raise ConfigError(explain(mistake)) from mistake


if __name__ == "__main__":
    end(main)
