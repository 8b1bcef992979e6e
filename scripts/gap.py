"""Measure the generalisation gap of finished runs: clean training loss against held-out loss, over seeds."""

import argparse
from pathlib import Path

from encore.command import end


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="run folders, or folders of runs")
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="what makes a group (all that differs)")
    parser.add_argument("--split", choices=("test", "val"), default="test", help="what is held out (test)")
    parser.add_argument(
        "--weights", choices=("last", "best"), help="which (the last; of runs that stop early the best)"
    )
    parser.add_argument("--against", metavar="GROUP", help="what the others are compared with (none, if there is one)")
    parser.add_argument("--out", type=Path, default=Path("gap"), help="folder to write (gap)")
    wanted = parser.parse_args()
    # pandas only from here, and torch only where there are runs: a mistake is answered at once
    from encore.results.findings import kept_in
    from encore.results.finished import finished

    table, left_out = finished(wanted.runs, least=1, alike=True)
    with kept_in(wanted.out):
        from encore.ensembles.gap import gap

        gap(table, left_out, wanted.by, wanted.split, wanted.weights, wanted.against).conclude(wanted.out)


if __name__ == "__main__":
    end(main)
