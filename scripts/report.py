"""Report on runs: means over seeds with their intervals, comparisons, figures."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from encore.command import end
from encore.errors import InputError
from encore.results.figures import intervals, learning_curves
from encore.results.groups import ALL_PAIRS, Group, Pair, groups, lower_is_better, pairs
from encore.results.report import Report
from encore.results.runs import folders_of
from encore.results.table import Table, beside, differing, mixture, read


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="run folders, or folders of runs")
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="what makes a group (all that differs)")
    parser.add_argument("--metric", default="test/accuracy", help="which (test/accuracy)")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write (report)")
    parser.add_argument("--mixed", action="store_true", help="also runs of different code or data")
    parser.add_argument("--lower", action="store_true", help="the metric is better when it is lower, as losses are")
    wanted = parser.parse_args()
    folders, empty = below(wanted.runs)
    table, left_out = read(tqdm(folders, "reading", unit=" runs", leave=False, disable=None))
    left_out = empty + left_out
    for problem in left_out:
        print(f"left out: {problem}", file=sys.stderr)
    if not table.runs:
        raise InputError("none of these is a run's folder; python scripts/runs.py lists the runs")
    if (mixed := mixture(table)) and not wanted.mixed:
        more = f"\n  … {len(mixed) - 10} more" if len(mixed) > 10 else ""
        shown = "\n".join(f"  {each}" for each in mixed[:10]) + more
        raise InputError(f"these runs are not of the same code and data; --mixed reports on them all the same\n{shown}")
    by = differing(table) if wanted.by is None else list(dict.fromkeys(wanted.by))
    found = groups(table, by, wanted.metric)
    compared = pairs(found, wanted.lower or lower_is_better(wanted.metric))
    figures = {"intervals": intervals(found, wanted.metric)}
    if (curves := learning_curves(found, wanted.metric)) is not None:
        figures["curves"] = curves
    lost = [each for group in found for each in group.lost] + left_out
    report = Report(wanted.metric, by, found, compared, notes(table, by, found, compared), lost, figures)
    report.write(wanted.out)
    print(report.text())
    print(f"\n{wanted.out / 'report.html'}")
    return 0


def below(given: list[Path]) -> tuple[list[Path], list[str]]:
    """The runs' folders among and below those given, each once, and what has none."""
    folders: dict[Path, Path] = {}
    empty = []
    for path in given:
        found = folders_of(path)
        if not found:
            empty.append(f"there are no runs below {path}")
        for folder in found:
            folders.setdefault(folder.resolve(), folder)
    return list(folders.values()), empty


def notes(table: Table, by: list[str], found: list[Group], compared: list[Pair]) -> list[str]:
    """What a reader would otherwise take for granted."""
    between, within = beside(table, by)
    said = []
    if between:
        said.append(f"Between the groups these differ, too: {', '.join(between)}.")
    if within and any(len(values) > 1 for group in found for values in group.found.values()):
        said.append(f"A seed's value is the mean over its runs, which differ in {', '.join(within)}.")
    elif within:
        said.append(f"Within a group these differ: {', '.join(within)}.")
    if len([group for group in found if group.found]) > ALL_PAIRS and compared:
        best = compared[0].a.label
        said.append(f"Compared with {best} alone, which has the best mean of these same values: take its p with care.")
    return said


if __name__ == "__main__":
    end(main)
