"""`scripts/anomaly.py`: how well finished runs tell anomalies from normal pictures."""

import argparse
from pathlib import Path

from encore.config.named_runs import a_run
from encore.errors import ConfigError


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure how well runs of task=one_class tell anomalies from normal pictures, over seeds, beside "
        "methods without a net."
    )
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN_OR_FOLDER", help="runs, or folders of runs")
    parser.add_argument(
        "--by", nargs="+", metavar="SETTING", default=["model.name"], help="settings that define a method (model.name)"
    )
    parser.add_argument(
        "--quantile", type=float, default=0.95, help="of the validation scores, above which is an alarm (0.95)"
    )
    parser.add_argument("--show", type=int, metavar="CLASS", help="the normal class of the pictures (the first)")
    parser.add_argument("--no-baselines", action="store_true", help="leave out the methods without a net")
    parser.add_argument("--out", type=Path, default=Path("anomaly"), help="folder to write (anomaly)")
    wanted = parser.parse_args()
    if not 0 < wanted.quantile < 1:
        raise ConfigError(f"--quantile {wanted.quantile}: must be between 0 and 1")
    # pandas is imported here and torch only if there are runs, so that mistakes are reported at once
    from encore.analysis.results.findings import kept_in
    from encore.analysis.results.finished import finished

    table, left_out = finished(wanted.runs, least=1, alike=True)
    with kept_in(wanted.out):
        from course.anomaly.report import report

        found = report(table, left_out, wanted.by, wanted.quantile, wanted.show, not wanted.no_baselines)
        found.conclude(wanted.out)
