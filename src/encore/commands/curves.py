"""Draw the learning curves of runs: one chart per metric, with training and validation together."""

import argparse
import sys
from pathlib import Path

from encore.analysis.results.runs import below, ended
from encore.command import check_picture
from encore.config.named_runs import a_run
from encore.errors import InputError
from encore.files import make_folder
from encore.record import seal
from encore.terminal import tell_left_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN", help="runs, or folders of runs")
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=["loss", "accuracy"],
        metavar="METRIC",
        help="a name without its split shows both splits; or a full name, such as optim/lr (loss accuracy)",
    )
    parser.add_argument("--by", nargs="+", metavar="SETTING", help="settings that label the runs (all that differ)")
    parser.add_argument("--log", action="store_true", help="logarithmic axes for the metrics")
    parser.add_argument(
        "--mean", action="store_true", help="runs with one label as their mean, in a band of all of them"
    )
    parser.add_argument("--negate", action="store_true", help="minus the metric, such as a likelihood for its loss")
    parser.add_argument("--most", type=float, metavar="VALUE", help="the greatest value that is shown")
    parser.add_argument("--one-scale", action="store_true", help="one scale for all metrics")
    parser.add_argument("--label", metavar="TEXT", help="label of the metric's axis (its name)")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help="picture to write: .png, .svg or .pdf")
    wanted = parser.parse_args()
    check_picture(wanted.out)
    folders, empty = below(wanted.runs)
    kept, others = ended(folders)
    tell_left_out(empty + others)
    if not kept:
        raise InputError("none of these runs has ended; encore runs lists the runs")
    # matplotlib and pandas are imported only now, so that mistakes are reported at once
    from encore.analysis.results.curves import Look, figure
    from encore.analysis.results.figure_files import save
    from encore.analysis.results.run_table import read

    table, unreadable = read(kept)
    tell_left_out(unreadable)
    if said := seal.unsealed(run.folder for run in table.runs):
        print(said, file=sys.stderr)
    if not table.runs:
        raise InputError("none of these has a readable manifest")
    look = Look(wanted.log, wanted.mean, wanted.negate, wanted.most, wanted.label, wanted.one_scale)
    drawn = figure(table, wanted.metrics, wanted.by, look)
    make_folder(wanted.out.parent)
    save(drawn, wanted.out)
    print(wanted.out)
