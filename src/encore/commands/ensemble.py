"""Combine the predictions of finished runs: as an ensemble on the test set, or out of fold."""

import argparse
from pathlib import Path

from encore.config.named_runs import a_run
from encore.errors import ConfigError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN_OR_FOLDER", help="runs, or folders of runs")
    parser.add_argument("--how", choices=("probabilities", "votes"), help="(probabilities)")
    parser.add_argument(
        "--split",
        choices=("test", "out-of-fold"),
        default="test",
        help="what to predict: the test set by all runs together (test), or each fold by the run that held it out",
    )
    parser.add_argument("--out", type=Path, default=Path("ensemble"), help="folder to write (ensemble)")
    wanted = parser.parse_args()
    if wanted.how and wanted.split == "out-of-fold":
        raise ConfigError(f"--how {wanted.how}: out of fold each example has one prediction")
    # pandas is imported here and torch only if there are runs, so that mistakes are reported at once
    from encore.analysis.results.findings import kept_in
    from encore.analysis.results.finished import finished

    table, left_out = finished(wanted.runs)
    with kept_in(wanted.out):
        if wanted.split == "out-of-fold":
            from encore.analysis.ensembles.folds import out_of_fold

            findings = out_of_fold(table, left_out)
        else:
            from encore.analysis.ensembles.together import ensemble

            findings = ensemble(table, left_out, wanted.how or "probabilities")
        findings.conclude(wanted.out)
