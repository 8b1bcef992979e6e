"""Derive published figures again: run what experiments claim, where that is not done yet, and say which claims hold."""

import argparse
from pathlib import Path

from encore.claims.experiments import claiming, recipe
from encore.command import end
from encore.errors import ConfigError, NotReproduced


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="whose claims (all that have any)")
    parser.add_argument("--out", type=Path, default=Path("claims"), help="folder to write (claims)")
    wanted = parser.parse_args()
    recipes = {name: recipe(name) for name in wanted.experiments or claiming()}
    for name, cfg in recipes.items():
        if not cfg["claims"]:
            raise ConfigError(f"experiment={name} claims nothing; these do: {', '.join(claiming())}")
    # matplotlib and torch only from here: a mistake is answered at once
    from encore.claims.check import check
    from encore.results.findings import kept_in

    with kept_in(wanted.out):
        found = check(recipes)
        print(found.text())  # before it is written: a full disk takes nothing of it
        found.write(wanted.out)
    print(f"\n{wanted.out / 'claims.md'}")
    if found.failing:
        raise NotReproduced(f"{found.failing} of {len(found.verdicts)} claims do not hold")
    if found.problems:
        raise found.problems[0]


if __name__ == "__main__":
    end(main)
