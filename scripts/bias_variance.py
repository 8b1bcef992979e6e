"""Decompose the test error of runs on resamples of their training data into bias and variance, against a setting."""

import argparse
from pathlib import Path

from encore.command import end


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="run folders, or folders of runs")
    parser.add_argument("--by", required=True, metavar="SETTING", help="such as model.widths or optim.weight_decay")
    parser.add_argument(
        "--falling", action="store_true", help="from the largest value to the least, as of weight decay"
    )
    parser.add_argument("--out", type=Path, default=Path("bias_variance"), help="folder to write (bias_variance)")
    wanted = parser.parse_args()
    # pandas only from here, and torch only where there are runs: a mistake is answered at once
    from encore.results.findings import kept_in
    from encore.results.finished import finished

    table, left_out = finished(wanted.runs)
    with kept_in(wanted.out):
        from encore.ensembles.trade_off import trade_off

        trade_off(table, left_out, wanted.by, wanted.falling).conclude(wanted.out)


if __name__ == "__main__":
    end(main)
