"""`scripts/voting.py`: a net that was trained with dropout, as a vote of many thinned nets."""

import argparse
from pathlib import Path

from encore.command import check_picture
from encore.config.named_runs import a_run
from encore.errors import ConfigError
from encore.files import make_folder

ORDERS = 20  # random orders in which the thinned nets join, for the mean


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compare a net that was trained with dropout with the average of many nets thinned by it."
    )
    parser.add_argument("run", type=a_run, metavar="RUN", help="a run's folder, or how its name or fingerprint begins")
    parser.add_argument("--nets", type=int, default=100, help="thinned nets (100)")
    parser.add_argument("--seed", type=int, default=0, help="of the units that are left out (0)")
    parser.add_argument("--out", type=Path, default=Path("voting.png"), help="picture: .png, .svg or .pdf (voting.png)")
    wanted = parser.parse_args()
    check_picture(wanted.out)
    if not 2 <= wanted.nets <= 10_000:
        raise ConfigError(f"--nets {wanted.nets}: must be from 2 to 10,000")
    from course.passing.thinned import accuracies, figure  # torch only from here
    from encore.analysis.results.figure_files import save

    found = accuracies(wanted.run, wanted.nets, wanted.seed)
    make_folder(wanted.out.parent)
    save(figure(found), wanted.out)
    print(f"the whole net: {found.whole:.4f}")
    print(f"one thinned net: {found.alone.mean():.4f}, from {found.alone.min():.4f} to {found.alone.max():.4f}")
    print(f"the average of {wanted.nets}: {found.averaged[-1]:.4f}")
    print(wanted.out)
