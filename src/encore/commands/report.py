"""Report on runs: means over seeds with confidence intervals, comparisons, figures."""

import argparse
from pathlib import Path

from encore.analysis.results.study import report_on
from encore.config.named_runs import a_run
from encore.terminal import harmless


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN_OR_FOLDER", help="runs, or folders of runs")
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="settings that define a group (all that differ)")
    parser.add_argument("--metric", default="test/accuracy", help="which (test/accuracy)")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write (report)")
    parser.add_argument("--mixed", action="store_true", help="accept runs with different code or data")
    parser.add_argument("--lower", action="store_true", help="lower values of the metric are better, as for losses")
    wanted = parser.parse_args()
    report = report_on(wanted.runs, wanted.metric, wanted.by, wanted.mixed, wanted.lower)
    report.write(wanted.out)
    print(harmless(report.text()))
    print(f"\n{wanted.out / 'report.html'}")
    return 0
