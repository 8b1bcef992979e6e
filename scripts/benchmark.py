"""Measure Encore's speed against a hand-written loop, and the other costs of a run.

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

from benchmarks.datasets import Place
from benchmarks.figure import MEASURES, Figure, line, table, write

from encore.command import end
from encore.config.accelerator import cuda_devices
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
            figures[key] = getattr(importlib.import_module(f"benchmarks.{MEASURES[key].module}"), key)(place)
            print(line(key, figures[key]), flush=True)
    print("\n" + table(figures))
    if wanted.json:
        write(figures, machine(accelerator), wanted.json)
    return 0


def arguments() -> argparse.Namespace:
    measures = "\n".join(f"  {key:18}{measure.what}" for key, measure in MEASURES.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"figures:\n{measures}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", help="measure only the records of a run with these settings")
    parser.add_argument("--only", nargs="+", metavar="KEY", default=[], help="measure only these figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures, with all samples, to a file")
    parser.add_argument("--accelerator", choices=("cpu", "cuda"), help="the GPU where there is one, else the CPU")
    return parser.parse_args()


def chosen(only: list[str], overrides: list[str]) -> list[str]:
    """The figures to measure, in the table's order.

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
    """The machine that the figures were measured on."""
    from encore.provenance.environment import environment

    here = environment(with_gpus=accelerator == "cuda")
    packages = {name: here["packages"][name] for name in ("torch", "pytorch-lightning", "torchmetrics", "numpy")}
    return {name: here[name] for name in ("os", "python", "cpu", "gpus", "threads")} | {"packages": packages}


if __name__ == "__main__":
    end(main)
