"""Draw the learning curves of runs: training and validation on one chart a metric."""

import argparse
import sys
from pathlib import Path

from encore.command import check_picture, end
from encore.errors import InputError
from encore.results.runs import below, ended


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of runs")
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=["loss", "accuracy"],
        metavar="METRIC",
        help="without its split for both of them, or by its full name, such as optim/lr (loss accuracy)",
    )
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="what names the runs (all that differs)")
    parser.add_argument("--log", action="store_true", help="logarithmic axes for the metrics")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help="picture to write: .png, .svg or .pdf")
    wanted = parser.parse_args()
    check_picture(wanted.out)
    folders, empty = below(wanted.runs)
    kept, others = ended(folders)
    for problem in empty + others:
        print(f"left out: {problem}", file=sys.stderr)
    if not kept:
        raise InputError("none of these is a run that has ended; python scripts/runs.py lists the runs")
    # matplotlib and pandas only from here: a mistake is answered at once
    from encore.results.curves import figure
    from encore.results.table import read

    table, unreadable = read(kept)
    for problem in unreadable:
        print(f"left out: {problem}", file=sys.stderr)
    if not table.runs:
        raise InputError("none of these has a manifest that can be read")
    drawn = figure(table, wanted.metrics, wanted.by, wanted.log)
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(wanted.out, dpi=150)
    print(wanted.out)


if __name__ == "__main__":
    end(main)
