"""Test a finished run's best weights again, and compare with what was recorded, bit for bit."""

import argparse
import tempfile
from pathlib import Path

import yaml

from encore.command import end
from encore.config import check
from encore.errors import InputError, NotReproduced
from encore.record.result import Result


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("--data-dir", type=Path, help="where the data are, if not where they were")
    wanted = parser.parse_args()
    recorded = Result.read(wanted.run)
    if recorded.status != "finished":
        raise InputError(f"{wanted.run} is {recorded.status}, not finished")
    cfg = config(wanted.run)
    if wanted.data_dir:
        cfg["data_dir"] = str(wanted.data_dir)
    # torch only from here: a wrong folder is answered at once
    from encore.ranks import device_count
    from encore.record.summary import table
    from encore.training import evaluate

    with tempfile.TemporaryDirectory() as scratch:
        measured = evaluate(cfg, wanted.run / "checkpoints" / "best.ckpt", Path(scratch))
    print(table(measured))
    if device_count(cfg) > 1:
        print("tested on one device, recorded on several: sums may differ in their last digits")
        return 0
    for name, value in measured.items():
        if value != recorded.metrics.get(name):
            raise NotReproduced(f"{name} is {value!r}, recorded was {recorded.metrics.get(name)!r}")
    print("the same as recorded, bit for bit")
    return 0


def config(run: Path) -> dict:
    """A run's recorded config, checked.

    Raises:
        InputError: it cannot be read.
    """
    try:
        cfg = yaml.safe_load((run / "config.yaml").read_text())
    except (OSError, yaml.YAMLError) as problem:
        raise InputError(f"{run / 'config.yaml'} cannot be read: {problem}") from problem
    if not isinstance(cfg, dict):
        raise InputError(f"{run / 'config.yaml'} holds no config")
    check(cfg)
    return cfg


if __name__ == "__main__":
    end(main)
