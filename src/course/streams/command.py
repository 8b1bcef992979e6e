"""`scripts/streams.py`: how runs on a stream did while it came, and what they had forgotten at its end."""

import argparse
from pathlib import Path

from encore.config.named_runs import a_run


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Runs on one stream: accuracy over the stream, and each task's accuracy after each task; online, "
        "with and without a memory, retrained on a window, and trained on all of it at once."
    )
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN_OR_FOLDER", help="runs of data=stream")
    parser.add_argument("--out", type=Path, default=Path("streams"), help="folder to write (streams)")
    wanted = parser.parse_args()
    from encore.analysis.results.findings import kept_in
    from encore.analysis.results.finished import finished, of_each

    table, left_out = finished(wanted.runs, least=1, alike=True)
    with kept_in(wanted.out):
        from course.streams import report

        _, found = of_each(table, left_out, report.read, what="reading")
        report.compare(found, left_out).conclude(wanted.out)
