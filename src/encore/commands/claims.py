"""Re-derive published figures: run the experiments that make claims, unless finished, and say which claims hold."""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from encore.analysis.claims.experiments import claiming, recipe
from encore.config.cores import usable_cores
from encore.errors import ConfigError, NotReproduced
from encore.terminal import harmless

MOST = 4  # processes, unless more are asked for: each takes about a gigabyte


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "experiments", nargs="*", metavar="EXPERIMENT", help="experiments to check (all that make claims)"
    )
    parser.add_argument("--out", type=Path, default=Path("claims"), help="folder to write (claims)")
    usual = f"as many as cores, {MOST} at most; one on a GPU"
    parser.add_argument("--jobs", type=jobs, metavar="N", help=f"processes that make the runs ({usual})")
    parser.add_argument("--ahead", type=int, help=argparse.SUPPRESS)  # be one of those processes, of this one
    wanted = parser.parse_args()
    kept: dict[str, bytes] = {}
    recipes = {name: recipe(name, kept=kept) for name in wanted.experiments or claiming()}
    for name, cfg in recipes.items():
        if not cfg["claims"]:
            raise ConfigError(f"experiment={name} makes no claims; these do: {', '.join(claiming())}")
    number = wanted.jobs or usual_jobs(recipes.values())
    if number > 1 or wanted.ahead:  # threads that wait busily would take the cores of the other processes' threads
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # matplotlib and torch are imported only now, so that mistakes are reported at once
    from encore.analysis.claims.ahead import run_ahead
    from encore.analysis.claims.rederive import check
    from encore.analysis.results.findings import kept_in

    if wanted.ahead:
        run_ahead(recipes, wanted.out, kept, wanted.ahead)
        return
    with kept_in(wanted.out):
        found = check(recipes, wanted.out, kept, number)
        print(harmless(found.text()))  # shown before it is written, so that a full disk loses nothing
        found.write(wanted.out)
    print(f"\n{wanted.out / 'claims.md'}")
    if found.failing:
        raise NotReproduced(f"{found.failing} of {len(found.verdicts)} claims do not hold")
    if found.problems:
        raise found.problems[0]


def jobs(text: str) -> int:
    """A number of processes."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not {text}")
    return int(text)


def usual_jobs(cfgs: Iterable[dict]) -> int:
    """How many processes make runs unless it is said."""
    return min(MOST, usable_cores()) if all(cfg["trainer"]["accelerator"] == "cpu" for cfg in cfgs) else 1
