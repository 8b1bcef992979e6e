"""Choose settings by k-fold cross-validation, retrain with them on all non-test data, and test the result once.

Every combination of the given values is trained on all folds but one and evaluated on that one, without touching the
test set. After an interruption, the same command continues where it stopped.
"""

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="as for train.py -m, such as optim.lr=1e-3,1e-2,1e-1 or sweep=cross_validation",
    )
    parser.add_argument("--folds", type=int, default=5, metavar="K", help="number of folds (5)")
    parser.add_argument("--out", type=Path, default=Path("cross_validation"), help="folder to write (cross_validation)")
    wanted = parser.parse_intermixed_args()
    from encore.analysis.cross_validation.plan import plan

    planned = plan(wanted.settings, wanted.folds)
    # pandas and matplotlib are imported only now, and torch only if there is something to run
    from encore.analysis.cross_validation.choice import cross_validate
    from encore.analysis.results.findings import claimed

    with claimed(wanted.out, "cross_validation", planned.mark):
        cross_validate(planned).conclude(wanted.out)
