"""Train one run, or sweep over many: `python train.py model=mlp optim=adam`; `--help` lists what there is."""

import math
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

    from encore.compose import CONFIGS, MISTAKES, explain, plain
    from encore.errors import CannotWrite, EncoreError, Interrupted, Preempted
except ModuleNotFoundError as missing:
    sys.exit(f"{missing.name} is not installed here: `make setup` makes the environment, .venv/bin/python runs in it")

# The exit codes of the runs that failed: a sweep goes on, and ends with the worst of them.
failures: list[int] = []


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def train(cfg: DictConfig) -> float:
    """Run one config; returns the monitored metric, for sweepers: NaN where the run failed."""
    try:
        announce()
        config = plain(cfg)
        from encore.runner import execute

        monitored = execute(config).monitored
        return math.nan if monitored is None else monitored
    except (Interrupted, Preempted) as stop:  # the whole sweep is meant
        complain(str(stop), stop.code)
        sys.exit(stop.code)
    except EncoreError as error:
        complain(str(error), error.code)
    except Exception:
        complain(traceback.format_exc(), 1)
    return math.nan


def announce() -> None:
    """In a sweep, say which of its runs this is."""
    job = HydraConfig.get()
    if job.mode == RunMode.MULTIRUN:
        print(f"\nrun {job.job.num + 1}: {job.job.override_dirname or 'as it is'}")


def complain(what: str, code: int) -> None:
    """Say what went wrong, and remember its exit code."""
    print(f"error: {what}", file=sys.stderr)
    failures.append(code)


def main() -> int:
    """Run the command line; returns the exit code."""
    # Hydra then raises its errors instead of printing them, and they can be explained here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        train()
    except MISTAKES as mistake:
        complain(explain(mistake), 1)
    except OSError as error:
        complain(str(error), CannotWrite.code)
    except KeyboardInterrupt:
        complain("interrupted", Interrupted.code)
    except SystemExit as stop:  # --help and the like; 2 is argparse's word for a bad command line
        return 1 if stop.code == 2 else int(stop.code or 0)
    return max(failures, default=0)


if __name__ == "__main__":
    sys.exit(main())
