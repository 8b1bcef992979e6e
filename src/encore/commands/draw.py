"""Draw what finished runs have learned: a fitted line, a likelihood, class regions, or misclassified pictures."""

import argparse
from pathlib import Path

from encore.analysis.pictures.kinds import KINDS
from encore.command import check_picture
from encore.config.named_runs import a_run
from encore.errors import ConfigError
from encore.files import make_folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="\n".join(f"{name:10}  {kind.shows}; of {kind.takes}" for name, kind in KINDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", type=a_run, metavar="RUN", help="runs, or folders of runs")
    parser.add_argument("--what", choices=KINDS, help="kind of picture (the first one below that fits the first run)")
    parser.add_argument("--split", choices=("test", "val", "train"), help="for mistakes: the split (test)")
    parser.add_argument("--count", type=int, help="for mistakes: maximum number (24)")
    parser.add_argument("--weights", choices=("best", "last"), default="best", help="which weights of each run (best)")
    parser.add_argument("--out", type=Path, default=Path("picture.png"), help="picture to write: .png, .svg or .pdf")
    wanted = parser.parse_args()
    check_picture(wanted.out)
    if wanted.count is not None and not 1 <= wanted.count <= 400:
        raise ConfigError(f"--count {wanted.count}: must be from 1 to 400")
    # Runs are checked here; torch is imported only if there are some to draw.
    from encore.analysis.pictures.chosen import choose

    kind, folders = choose(wanted.runs, wanted.what)
    own = {name: given for name in ("split", "count") if (given := getattr(wanted, name)) is not None}
    if own and kind != "mistakes":
        raise ConfigError(f"--{next(iter(own))} applies to mistakes only, but these runs are drawn as {kind}")
    make_folder(wanted.out.parent)
    from encore.analysis.pictures.picture import picture
    from encore.analysis.results.figure_files import save

    save(picture(folders, kind, wanted.weights, **own), wanted.out)
    print(wanted.out)
