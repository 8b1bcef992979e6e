"""Decompose the test error of runs on resamples of their training data into bias and variance, against a setting."""

import argparse
import sys
from pathlib import Path

from encore.command import end


def main() -> int:
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
    from encore.ensembles.members import members

    table, left_out = members(wanted.runs)
    for problem in left_out:
        print(f"left out: {problem}", file=sys.stderr)
    from encore.ensembles.trade_off import trade_off

    findings = trade_off(table, left_out, wanted.by, wanted.falling)
    findings.write(wanted.out)
    print(findings.text())
    print(f"\n{wanted.out / findings.name}.md")
    return 0


if __name__ == "__main__":
    end(main)
