"""Draw what finished runs have learned: a fitted line, a likelihood, regions of classes, or mistaken pictures."""

import argparse
from pathlib import Path

from encore.command import check_picture, end
from encore.errors import ConfigError
from encore.pictures.kinds import KINDS


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="\n".join(f"{name:10}  {kind.shows}; of {kind.takes}" for name, kind in KINDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of runs")
    parser.add_argument("--what", choices=KINDS, help="the picture (the first below that fits the first run)")
    parser.add_argument("--split", choices=("test", "val", "train"), help="of mistakes: whose (test)")
    parser.add_argument("--count", type=int, help="of mistakes: how many at most (24)")
    parser.add_argument("--out", type=Path, default=Path("picture.png"), help="picture to write: .png, .svg or .pdf")
    wanted = parser.parse_args()
    check_picture(wanted.out)
    if wanted.count is not None and not 1 <= wanted.count <= 400:
        raise ConfigError(f"--count {wanted.count}: must be from 1 to 400")
    # Runs are looked at here, and torch is imported only where there are some to draw.
    from encore.pictures.chosen import choose

    kind, folders = choose(wanted.runs, wanted.what)
    own = {name: given for name in ("split", "count") if (given := getattr(wanted, name)) is not None}
    if own and kind != "mistakes":
        raise ConfigError(f"--{next(iter(own))} is of mistakes, and these runs are drawn as {kind}")
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    from encore.pictures.picture import picture, save

    save(picture(folders, kind, **own), wanted.out)
    print(wanted.out)


if __name__ == "__main__":
    end(main)
