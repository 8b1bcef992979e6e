"""List runs with start time, name, seed, status, metric and folder."""

import argparse
import os
import sys
from pathlib import Path

from encore.analysis.results.runs import results
from encore.record import seal
from encore.record.result import Result
from encore.terminal import harmless, tell_left_out

RUNS = Path(os.environ.get("ENCORE_RUNS_DIR", "runs"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=RUNS, help=f"folder of the runs ({RUNS})")
    parser.add_argument("--metric", default="test/accuracy", help="metric to show (test/accuracy)")
    wanted = parser.parse_args()
    found, unreadable = results(wanted.folder)
    rows: list[tuple[str, ...]] = [("started (UTC)", "run", "seed", "status", wanted.metric, "folder")]
    rows += [row(result, wanted.metric) for result in found]
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]
    for line in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    tell_left_out(unreadable)
    if said := seal.unsealed(result.folder for result in found if result.status in seal.OVER):
        print(said, file=sys.stderr)
    return 0


def row(result: Result, metric: str) -> tuple[str, ...]:
    value = result.metrics.get(metric)
    shown = "-" if value is None else f"{value:.4f}"
    when = result.started[:16].replace("T", " ")
    return when, result.name, str(result.seed), result.status, shown, harmless(result.folder)
