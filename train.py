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

    from encore.command import say_what_can_be_said, wanted
    from encore.compose import CONFIGS, MISTAKES, explain, plain
    from encore.errors import CannotWrite, EncoreError, Interrupted
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
    except EncoreError as error:
        sys.exit(complain(str(error), error.code))
    except Exception:
        sys.exit(complain(traceback.format_exc(), 1))


def complain(what: str, code: int) -> int:
    """Say what went wrong; returns the exit code."""
    print(f"error: {what}", file=sys.stderr)
    return code


def main() -> int:
    """Run the command line; returns the exit code."""
    say_what_can_be_said()
    # Hydra then raises its errors instead of printing them, and they can be explained here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    if multirun(sys.argv[1:]):
        sys.argv.append(folder_word(sys.argv[1:]))
    try:
        train()
    except EncoreError as error:
        return complain(str(error), error.code)
    except MISTAKES as mistake:
        return complain(explain(mistake), 1)
    except OSError as error:
        return complain(str(error), CannotWrite.code)
    except KeyboardInterrupt:
        return complain("interrupted", Interrupted.code)
    except SystemExit as stop:
        return wanted(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
