"""Report on runs: means over seeds with their intervals, comparisons, figures."""

import argparse
from pathlib import Path

from encore.command import end
from encore.results.study import report_on


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="run folders, or folders of runs")
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="what makes a group (all that differs)")
    parser.add_argument("--metric", default="test/accuracy", help="which (test/accuracy)")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write (report)")
    parser.add_argument("--mixed", action="store_true", help="also runs of different code or data")
    parser.add_argument("--lower", action="store_true", help="the metric is better when it is lower, as losses are")
    wanted = parser.parse_args()
    report = report_on(wanted.runs, wanted.metric, wanted.by, wanted.mixed, wanted.lower)
    report.write(wanted.out)
    print(report.text())
    print(f"\n{wanted.out / 'report.html'}")
    return 0


if __name__ == "__main__":
    end(main)
