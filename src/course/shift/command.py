"""`scripts/shift.py`: accuracy of finished runs as the test pictures move."""

import argparse
from pathlib import Path

from encore.config.named_runs import a_run
from encore.errors import ConfigError


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure how well finished runs recognise test pictures that are moved by a few pixels, over seeds."
    )
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN_OR_FOLDER", help="runs, or folders of runs")
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="settings that define a group (all that differ)")
    parser.add_argument("--most", type=int, default=6, help="largest shift in pixels (6)")
    parser.add_argument("--examples", type=int, metavar="N", help="about so many test pictures, evenly spaced (all)")
    parser.add_argument("--out", type=Path, default=Path("shift"), help="folder to write (shift)")
    wanted = parser.parse_args()
    for name in ("most", "examples"):
        if (value := getattr(wanted, name)) is not None and value < 1:
            raise ConfigError(f"--{name} {value}: must be at least 1")
    # pandas is imported here and torch only if there are runs, so that mistakes are reported at once
    from encore.analysis.results.findings import kept_in
    from encore.analysis.results.finished import finished

    table, left_out = finished(wanted.runs, least=1, alike=True)
    with kept_in(wanted.out):
        from course.shift.curve import shift

        shift(table, left_out, wanted.by, wanted.most, wanted.examples).conclude(wanted.out)
