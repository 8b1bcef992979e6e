"""Test a finished run's best weights again, and compare with what was recorded, bit for bit."""

import argparse
import tempfile
from pathlib import Path

from encore.accelerator import at_hand
from encore.command import end
from encore.errors import InputError, NotReproduced
from encore.record.result import Result
from encore.trust import recorded_config


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("--data-dir", type=Path, help="where the data are, if not where they were")
    wanted = parser.parse_args()
    recorded = Result.read(wanted.run)
    if recorded.status != "finished":
        raise InputError(f"{wanted.run} is {recorded.status}, not finished")
    cfg = recorded_config(wanted.run)
    if wanted.data_dir:
        cfg["data_dir"] = str(wanted.data_dir)
    recorded_on = cfg["trainer"].get("accelerator", "auto")
    cfg["trainer"]["accelerator"] = on = at_hand(recorded_on)
    # torch only from here: a wrong folder is answered at once
    from encore.ranks import device_count
    from encore.record.checkpoint_files import BEST
    from encore.record.summary import table
    from encore.training import evaluate

    with tempfile.TemporaryDirectory() as scratch:
        measured = evaluate(cfg, wanted.run / "checkpoints" / BEST, Path(scratch))
    print(table(measured))
    if device_count(cfg) > 1 or on != recorded_on:
        print(f"recorded on {device_count(cfg)} × {recorded_on}, tested on 1 × {on}: last digits may differ")
        return 0
    for name, value in measured.items():
        if value != recorded.metrics.get(name):
            raise NotReproduced(f"{name} is {value!r}, recorded was {recorded.metrics.get(name)!r}")
    print("the same as recorded, bit for bit")
    return 0


if __name__ == "__main__":
    end(main)
