"""Re-derive published figures: run the experiments that make claims, unless finished, and say which claims hold."""

import argparse
from pathlib import Path

from encore.analysis.claims.experiments import claiming, recipe
from encore.errors import ConfigError, NotReproduced
from encore.terminal import harmless


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "experiments", nargs="*", metavar="EXPERIMENT", help="experiments to check (all that make claims)"
    )
    parser.add_argument("--out", type=Path, default=Path("claims"), help="folder to write (claims)")
    wanted = parser.parse_args()
    recipes = {name: recipe(name) for name in wanted.experiments or claiming()}
    for name, cfg in recipes.items():
        if not cfg["claims"]:
            raise ConfigError(f"experiment={name} makes no claims; these do: {', '.join(claiming())}")
    # matplotlib and torch are imported only now, so that mistakes are reported at once
    from encore.analysis.claims.rederive import check
    from encore.analysis.results.findings import kept_in

    with kept_in(wanted.out):
        found = check(recipes, wanted.out)
        print(harmless(found.text()))  # shown before it is written, so that a full disk loses nothing
        found.write(wanted.out)
    print(f"\n{wanted.out / 'claims.md'}")
    if found.failing:
        raise NotReproduced(f"{found.failing} of {len(found.verdicts)} claims do not hold")
    if found.problems:
        raise found.problems[0]
