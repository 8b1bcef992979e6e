"""Train one run, or sweep over many: `python train.py model=mlp optim=adam`; `--help` lists what there is."""

import os
import sys

try:
    import hydra
    from omegaconf import DictConfig

    from encore.compose import CONFIGS, MISTAKES, explain, plain
    from encore.errors import CannotWrite, EncoreError
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed here: `make setup` makes the environment, .venv/bin/python runs in it")

# The exit codes of the runs that failed, so that a sweep can go on and still end with the worst.
failures: list[int] = []


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def train(cfg: DictConfig) -> float | None:
    """Run one config; returns the monitored metric, for sweepers."""
    try:
        config = plain(cfg)
        from encore.runner import execute

        return execute(config).monitored
    except EncoreError as error:
        failures.append(complain(error))
        raise


def complain(error: EncoreError) -> int:
    """Say what went wrong; returns the exit code."""
    print(f"error: {error}", file=sys.stderr)
    return error.code


def main() -> int:
    """Run the command line; returns the exit code."""
    # Hydra then raises its errors instead of printing them, and they can be explained here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        train()
    except EncoreError as error:
        return max(failures, default=error.code)
    except MISTAKES as mistake:
        print(f"error: {explain(mistake)}", file=sys.stderr)
        return 1
    except OSError as error:
        return complain(CannotWrite(error))
    except SystemExit as stop:
        return 1 if stop.code == 2 else int(stop.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
