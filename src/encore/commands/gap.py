"""Measure the generalisation gap of finished runs: clean training loss against held-out loss, over seeds."""

import argparse
from pathlib import Path

from encore.config.named_runs import a_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN_OR_FOLDER", help="runs, or folders of runs")
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="settings that define a group (all that differ)")
    parser.add_argument("--split", choices=("test", "val"), default="test", help="held-out split (test)")
    parser.add_argument(
        "--weights", choices=("last", "best"), help="which weights (last; best for runs that stop early)"
    )
    parser.add_argument(
        "--against", metavar="GROUP", help="group to compare the others with (the one called none, if there is one)"
    )
    parser.add_argument("--out", type=Path, default=Path("gap"), help="folder to write (gap)")
    wanted = parser.parse_args()
    # pandas is imported here and torch only if there are runs, so that mistakes are reported at once
    from encore.analysis.results.findings import kept_in
    from encore.analysis.results.finished import finished

    table, left_out = finished(wanted.runs, least=1, alike=True)
    with kept_in(wanted.out):
        from encore.analysis.ensembles.gap import gap

        gap(table, left_out, wanted.by, wanted.split, wanted.weights, wanted.against).conclude(wanted.out)
