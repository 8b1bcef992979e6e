"""Measure the sharpness of the minima that finished runs reached: by the Hessian, and along a random direction."""

import argparse
import math
from pathlib import Path

from encore.config.named_runs import a_run
from encore.errors import ConfigError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN_OR_FOLDER", help="runs, or folders of runs")
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="settings that define a group (all that differ)")
    parser.add_argument("--out", type=Path, default=Path("sharpness"), help="folder to write (sharpness)")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="tolerance for the eigenvalue's residual (0.001)")
    parser.add_argument("--products", type=int, default=1000, help="maximum number of Hessian-vector products (1000)")
    parser.add_argument("--batch", type=int, default=256, help="examples per batch: fewer take less memory (256)")
    wanted = parser.parse_args()
    for name, least in (("tolerance", 0), ("products", 1), ("batch", 1)):
        if not least <= (value := getattr(wanted, name)) < math.inf:
            raise ConfigError(f"--{name} {value}: must be at least {least}")
    # pandas is imported here and torch only if there are runs, so that mistakes are reported at once
    from encore.analysis.results.findings import kept_in
    from encore.analysis.results.finished import finished

    table, left_out = finished(wanted.runs, least=1, alike=True)
    with kept_in(wanted.out):
        from encore.analysis.sharpness.comparison import sharpness
        from encore.analysis.sharpness.minimum import Effort

        effort = Effort(wanted.tolerance, wanted.products, wanted.batch)
        sharpness(table, left_out, wanted.by, effort).conclude(wanted.out)
