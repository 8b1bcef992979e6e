"""`scripts/efficiency.py`: what nets cost and what they are worth, as a table and a picture."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from encore.command import check_picture
from encore.config.named_runs import a_run
from encore.files import make_folder, write_text

if TYPE_CHECKING:
    from course.efficient.table import Row


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Accuracy, parameters, bytes, multiply-adds and time of runs' nets, as they are and in int8."
    )
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN", help="runs, or folders of runs")
    parser.add_argument("--no-int8", action="store_true", help="the nets as they are alone")
    parser.add_argument(
        "--out", type=Path, default=Path("efficiency.png"), help="picture: .png, .svg or .pdf; beside it .csv"
    )
    wanted = parser.parse_args()
    check_picture(wanted.out)
    # pandas is imported here and torch only if there are runs, so that mistakes are reported at once
    from encore.analysis.results.finished import finished, of_each

    kept, left_out = finished(wanted.runs, least=1, alike=True)
    from course.efficient import table
    from course.efficient.measure import measure, time_all
    from encore.analysis.results.figure_files import save

    _, found = of_each(kept, left_out, lambda run: measure(run.folder, int8=not wanted.no_int8), what="measuring")
    nets = [net for of_run in found for net in of_run]
    time_all(nets)
    rows: list[Row] = table.rows(nets)
    print(table.text(rows))
    make_folder(wanted.out.parent)
    write_text(wanted.out.with_suffix(".csv"), table.csv_of(rows))
    save(table.figure(rows), wanted.out)
    print(wanted.out)
