"""Put finished runs together: as an ensemble on the test set, or out of fold."""

import argparse
from pathlib import Path

from encore.command import end
from encore.errors import ConfigError


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="run folders, or folders of runs")
    parser.add_argument("--how", choices=("probabilities", "votes"), help="(probabilities)")
    parser.add_argument(
        "--split",
        choices=("test", "out-of-fold"),
        default="test",
        help="what is predicted: the test set by all runs together (test), or each fold by the run that left it out",
    )
    parser.add_argument("--out", type=Path, default=Path("ensemble"), help="folder to write (ensemble)")
    wanted = parser.parse_args()
    if wanted.how and wanted.split == "out-of-fold":
        raise ConfigError(f"--how {wanted.how}: out of fold each example has one prediction")
    # pandas only from here, and torch only where there are runs: a mistake is answered at once
    from encore.results.findings import kept_in
    from encore.results.finished import finished

    table, left_out = finished(wanted.runs)
    with kept_in(wanted.out):
        if wanted.split == "out-of-fold":
            from encore.ensembles.folds import out_of_fold

            findings = out_of_fold(table, left_out)
        else:
            from encore.ensembles.together import ensemble

            findings = ensemble(table, left_out, wanted.how or "probabilities")
        findings.conclude(wanted.out)


if __name__ == "__main__":
    end(main)
