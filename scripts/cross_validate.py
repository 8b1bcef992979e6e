"""Choose settings by k-fold cross-validation, then train with them on all that is not for test, and test that once.

Every combination of the values given is trained on each fold's rest and judged by the fold, without a look at the
test set. Started again after it was killed, it goes on where it was.
"""

import argparse
from pathlib import Path

from encore.command import end


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="as for train.py -m, such as optim.lr=1e-3,1e-2,1e-1 or sweep=cross_validation",
    )
    parser.add_argument("--folds", type=int, default=5, metavar="K", help="how many (5)")
    parser.add_argument("--out", type=Path, default=Path("cross_validation"), help="folder to write (cross_validation)")
    wanted = parser.parse_intermixed_args()
    from encore.cross_validation.plan import plan

    planned = plan(wanted.settings, wanted.folds)
    # pandas and matplotlib only from here, and torch only where there is something to run
    from encore.cross_validation.choice import cross_validate
    from encore.record.lock import held
    from encore.results.findings import claim, kept_in

    with kept_in(wanted.out), held(wanted.out):
        claim(wanted.out, "cross_validation", planned.mark)
        cross_validate(planned).conclude(wanted.out)


if __name__ == "__main__":
    end(main)
