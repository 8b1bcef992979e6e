"""Train one run, or sweep over many: `python train.py model=mlp optim=adam`; `--help` lists what there is."""

import os
import sys
import traceback

try:
    from encore.help import text

    if {"-h", "--help"} & set(sys.argv[1:]):
        print(text(), end="")
        sys.exit(0)

    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import DictConfig

    from encore.command import end
    from encore.compose import CONFIGS, MISTAKES, explain, plain
    from encore.errors import ConfigError, EncoreError
    from encore.sweep.place import folder_word, multirun
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed here: `make setup` makes the environment, .venv/bin/python runs in it")


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def train(cfg: DictConfig) -> float | None:
    """Run one config; as one of a sweep, return the monitored metric for the sweeper."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        from encore.sweep import job

        return job.run(cfg)
    try:
        from encore.runner import execute

        return execute(plain(cfg)).monitored
    except (EncoreError, BrokenPipeError):
        raise
    except Exception:  # of somebody's model, say: never taken for a mistake in a config
        traceback.print_exc()
        sys.exit(1)


def main() -> None:
    """Run the command line."""
    # Hydra then raises its errors instead of printing them, and they can be explained here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    if multirun(sys.argv[1:]):
        sys.argv.append(folder_word(sys.argv[1:]))
    try:
        train()
    except MISTAKES as mistake:
        raise ConfigError(explain(mistake)) from mistake


if __name__ == "__main__":
    end(main)
