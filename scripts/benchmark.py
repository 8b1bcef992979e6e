"""Encore's speed against a hand-written loop, and what else a run costs, as ratios where there are two sides.

One thread, the two sides in turns, medians; CPU time, or on a GPU the time between device events, there of training
alone. All of it takes about ten minutes. docs/benchmarks.md explains every figure.
"""

import os

os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # before torch

import argparse
import importlib
import tempfile
from pathlib import Path
from typing import Any

from encore.accelerator import cuda_devices
from encore.benchmark.datasets import Place
from encore.benchmark.figure import MEASURES, Figure, line, table, write
from encore.command import end
from encore.errors import ConfigError


def main() -> int:
    """Run the command."""
    wanted = arguments()
    accelerator = wanted.accelerator or ("cuda" if cuda_devices() else "cpu")
    keys = chosen(wanted.only, wanted.overrides)
    figures: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), accelerator, tuple(wanted.overrides))
        for key in sorted(keys, key=lambda key: MEASURES[key].module != "processes"):  # while this one is small
            figures[key] = getattr(importlib.import_module(f"encore.benchmark.{MEASURES[key].module}"), key)(place)
            print(line(key, figures[key]), flush=True)
    print("\n" + table(figures))
    if wanted.json:
        write(figures, machine(accelerator), wanted.json)
    return 0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    measures = "\n".join(f"  {key:18}{measure.what}" for key, measure in MEASURES.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"figures:\n{measures}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", help="measure the records of a run with these settings, alone")
    parser.add_argument("--only", nargs="+", metavar="KEY", default=[], help="measure these figures alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures with all samples to a file, too")
    parser.add_argument("--accelerator", choices=("cpu", "cuda"), help="the GPU where there is one, else the CPU")
    return parser.parse_args()


def chosen(only: list[str], overrides: list[str]) -> list[str]:
    """The figures to be measured, in the table's order.

    Raises:
        ConfigError: there is none of a name, or it is not of a run that settings can be given for.
    """
    records = [key for key, measure in MEASURES.items() if measure.module == "records"]
    known = records if overrides else list(MEASURES)
    for key in only:
        if key not in known:
            of_settings = " of a run's settings" if overrides else ""
            raise ConfigError(f"there is no figure {key}{of_settings}; choose from {', '.join(known)}")
    return [key for key in known if not only or key in only]


def machine(accelerator: str) -> dict[str, Any]:
    """What was measured on."""
    from encore.fingerprint import packages
    from encore.record.environment import environment

    here = environment(with_gpus=accelerator == "cuda")
    return {name: here[name] for name in ("os", "python", "cpu", "gpus", "threads")} | {"packages": packages()}


if __name__ == "__main__":
    end(main)
