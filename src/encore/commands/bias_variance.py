"""Decompose the test error of runs on resamples of their training data into bias and variance, against a setting."""

import argparse
from pathlib import Path

from encore.config.named_runs import a_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN_OR_FOLDER", help="runs, or folders of runs")
    parser.add_argument("--by", required=True, metavar="SETTING", help="such as model.widths or optim.weight_decay")
    parser.add_argument(
        "--falling", action="store_true", help="from the largest value to the least, as of weight decay"
    )
    parser.add_argument("--out", type=Path, default=Path("bias_variance"), help="folder to write (bias_variance)")
    wanted = parser.parse_args()
    # pandas is imported here and torch only if there are runs, so that mistakes are reported at once
    from encore.analysis.results.findings import kept_in
    from encore.analysis.results.finished import finished

    table, left_out = finished(wanted.runs)
    with kept_in(wanted.out):
        from encore.analysis.ensembles.trade_off import trade_off

        trade_off(table, left_out, wanted.by, wanted.falling).conclude(wanted.out)
