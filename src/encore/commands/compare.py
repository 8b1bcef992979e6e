"""Compare runs: what differs in settings, code, packages, machine, data and results, and their curves."""

import argparse
import sys
from pathlib import Path

from encore.analysis.results.comparison import compare
from encore.analysis.results.runs import below
from encore.command import check_picture
from encore.config.named_runs import a_run
from encore.errors import ConfigError, InputError
from encore.files import json_of, make_folder
from encore.record import seal
from encore.terminal import harmless, tell_left_out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN", help="two or more runs, or a folder of them")
    parser.add_argument("--metrics", nargs="+", metavar="METRIC", help="whose curves are drawn (loss, and accuracy)")
    parser.add_argument("--out", type=Path, help="draw the curves: .png, .svg or .pdf")
    parser.add_argument("--json", action="store_true", help="print the differences as JSON")
    wanted = parser.parse_args()
    if wanted.out:
        check_picture(wanted.out)
    elif wanted.metrics:
        raise ConfigError("--metrics says what --out draws: name a picture, such as --out compare.png")
    folders, empty = below(wanted.runs)
    tell_left_out(empty)
    if len(folders) == 1 and len(wanted.runs) > 1 and not empty:
        folders *= 2  # one run, named twice: nothing differs
    if len(folders) < 2:
        raise InputError("name two runs or more that are there; encore runs lists the runs")
    found = compare(folders)
    if said := seal.unsealed(folders):
        print(said, file=sys.stderr)
    print(json_of(found.record()) if wanted.json else harmless(found.text()), end="" if wanted.json else "\n")
    if wanted.out:
        draw(folders, wanted.metrics, wanted.out)
        print(wanted.out, file=sys.stderr if wanted.json else sys.stdout)
    return 0


def draw(folders: list[Path], metrics: list[str] | None, out: Path) -> None:
    from encore.analysis.results.curves import figure
    from encore.analysis.results.figure_files import save
    from encore.analysis.results.run_table import read

    table, unreadable = read(folders)
    tell_left_out(unreadable)
    known = {name.partition("/")[2] for run in table.runs for name in run.metrics}
    drawn = figure(table, metrics or ["loss", *(["accuracy"] if "accuracy" in known else [])])
    make_folder(out.parent)
    save(drawn, out)
