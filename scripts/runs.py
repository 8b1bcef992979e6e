"""List the runs: when, what, seed, status, metric, folder."""

import argparse
import os
import sys
from pathlib import Path

from encore.command import end
from encore.record.result import Result
from encore.results.runs import results

RUNS = Path(os.environ.get("ENCORE_RUNS_DIR", "runs"))


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=RUNS, help=f"where runs are ({RUNS})")
    parser.add_argument("--metric", default="test/accuracy", help="which to show (test/accuracy)")
    wanted = parser.parse_args()
    found, unreadable = results(wanted.folder)
    rows: list[tuple[str, ...]] = [("started (UTC)", "run", "seed", "status", wanted.metric, "folder")]
    rows += [row(result, wanted.metric) for result in found]
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]
    for line in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for problem in unreadable:
        print(f"left out: {problem}", file=sys.stderr)
    return 0


def row(result: Result, metric: str) -> tuple[str, ...]:
    """One run's line."""
    value = result.metrics.get(metric)
    shown = "-" if value is None else f"{float(value):.4f}"
    when = result.started[:16].replace("T", " ")
    return when, result.name, str(result.seed), result.status, shown, str(result.folder)


if __name__ == "__main__":
    end(main)
