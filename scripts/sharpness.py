"""Measure how sharp the minima are that finished runs have reached: by the Hessian, and along a random direction."""

import argparse
import math
from pathlib import Path

from encore.command import end
from encore.errors import ConfigError


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="run folders, or folders of runs")
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="what makes a group (all that differs)")
    parser.add_argument("--out", type=Path, default=Path("sharpness"), help="folder to write (sharpness)")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of the eigenvalue's residual (0.001)")
    parser.add_argument("--products", type=int, default=1000, help="of Hessian and vector, at most (1000)")
    parser.add_argument("--batch", type=int, default=256, help="examples at a time: fewer take less memory (256)")
    wanted = parser.parse_args()
    for name, least in (("tolerance", 0), ("products", 1), ("batch", 1)):
        if not least <= (value := getattr(wanted, name)) < math.inf:
            raise ConfigError(f"--{name} {value}: it is {least} or more")
    # pandas only from here, and torch only where there are runs: a mistake is answered at once
    from encore.results.findings import kept_in
    from encore.results.finished import finished

    table, left_out = finished(wanted.runs, least=1, alike=True)
    with kept_in(wanted.out):
        from encore.sharpness.findings import sharpness
        from encore.sharpness.minimum import Effort

        effort = Effort(wanted.tolerance, wanted.products, wanted.batch)
        sharpness(table, left_out, wanted.by, effort).conclude(wanted.out)


if __name__ == "__main__":
    end(main)
