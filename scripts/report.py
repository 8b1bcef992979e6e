"""Report on runs: means over seeds with their intervals, comparisons, figures."""

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from encore.command import end
from encore.errors import InputError
from encore.results.figures import intervals, learning_curves
from encore.results.groups import groups, pairs
from encore.results.report import Report
from encore.results.runs import find
from encore.results.table import differing, mixture, read

RUNS = Path(os.environ.get("ENCORE_RUNS_DIR", "runs"))


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="run folders, or folders of runs")
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="what makes a group (all that differs)")
    parser.add_argument("--metric", default="test/accuracy", help="which (test/accuracy)")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write (report)")
    parser.add_argument("--mixed", action="store_true", help="also runs of different code or data")
    wanted = parser.parse_args()
    folders = list(dict.fromkeys(folder for given in wanted.runs for folder in of(given)))
    table, left_out = read(tqdm(folders, "reading", unit=" runs", leave=False, disable=None))
    for problem in left_out:
        print(f"left out: {problem}", file=sys.stderr)
    if table.frame.empty:
        raise InputError("none of these is a run's folder; python scripts/runs.py lists the runs")
    if (mixed := mixture(table)) and not wanted.mixed:
        shown = "\n".join(f"  {each}" for each in mixed[:10]) + (f"\n  … {len(mixed) - 10} more" if mixed[10:] else "")
        raise InputError(f"these runs are not of the same code and data; --mixed reports on them all the same\n{shown}")
    by = differing(table) if wanted.by is None else wanted.by
    found = groups(table, by, wanted.metric)
    figures = {"intervals": intervals(found, wanted.metric)}
    if (curves := learning_curves(found, wanted.metric)) is not None:
        figures["curves"] = curves
    lost = [each for group in found for each in group.lost] + [f"left out: {each}" for each in left_out]
    report = Report(wanted.metric, by, found, pairs(found, wanted.metric), lost, figures)
    report.write(wanted.out)
    print(report.text())
    print(f"\n{wanted.out / 'report.html'}")
    return 0


def of(given: Path) -> list[Path]:
    """A run's folder, or those below a folder."""
    return list(find(given)) if given.is_dir() else [given]


if __name__ == "__main__":
    end(main)
