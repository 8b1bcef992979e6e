"""Derive published figures again: run what experiments claim, where that is not done yet, and say which claims hold."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from encore.command import end
from encore.errors import ConfigError, InputError, NotReproduced
from encore.help import CONFIGS

if TYPE_CHECKING:
    from encore.claims.claim import Claim
    from encore.claims.verdict import Run, Verdicts


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="whose claims (all that have any)")
    parser.add_argument("--out", type=Path, default=Path("claims"), help="folder to write (claims)")
    wanted = parser.parse_args()
    recipes = {name: recipe(name) for name in wanted.experiments or claiming()}
    for name, cfg in recipes.items():
        if not cfg.get("claims"):
            raise ConfigError(f"experiment={name} claims nothing; these do: {', '.join(claiming())}")
    # matplotlib and torch only from here: a mistake is answered at once
    from encore.ensembles.findings import kept_in

    with kept_in(wanted.out):
        verdicts = checked(recipes)
        verdicts.write(wanted.out)
    print(f"{verdicts.text()}\n\n{wanted.out / 'claims.md'}")
    if verdicts.failing:
        raise NotReproduced(f"{verdicts.failing} of {len(verdicts.all)} claims do not hold")


def recipe(name: str, **settings: int) -> dict:
    """An experiment's config, with some settings changed."""
    from encore.compose import config_from

    with mistakes_named(name):
        return config_from({"experiment": name, **settings})


@contextmanager
def mistakes_named(name: str) -> Iterator[None]:
    """Say of which experiment a mistake is."""
    try:
        yield
    except ConfigError as problem:
        raise ConfigError(f"experiment={name}: {problem}") from problem


def claiming() -> list[str]:
    """The experiments that claim something.

    Raises:
        ConfigError: one of them cannot be read.
    """
    found = []
    for file in sorted((CONFIGS / "experiment").glob("*.yaml")):
        try:
            if (yaml.safe_load(file.read_bytes()) or {}).get("claims"):
                found.append(file.stem)
        except (yaml.YAMLError, AttributeError) as problem:
            raise ConfigError(f"{file} cannot be read: {problem}") from problem
    return found


def checked(recipes: dict[str, dict]) -> "Verdicts":
    """Run what is claimed of experiments, and judge it.

    Raises:
        ConfigError: a claim is about what its run has not.
        EncoreError: what stopped a run; data that are not there stop none.
    """
    from encore.claims.claim import Claim
    from encore.claims.verdict import Verdicts, judge

    claims = [(name, Claim(**entry)) for name, cfg in recipes.items() for entry in cfg["claims"]]
    runs = run_all({(name, seed) for name, claim in claims for seed in seeds(claim, recipes[name])})
    verdicts = []
    for name, claim in claims:
        with mistakes_named(name):
            verdicts.append(judge(name, claim, [runs[name, seed] for seed in seeds(claim, recipes[name])]))
    return Verdicts(verdicts)


def seeds(claim: "Claim", cfg: dict) -> list[int]:
    """The seeds whose runs a claim is about."""
    return list(range(claim.seeds)) if claim.seeds else [cfg["seed"]]


def run_all(wanted: set[tuple[str, int]]) -> "dict[tuple[str, int], Run]":
    """Runs by experiment and seed, with what came of them."""
    from tqdm import tqdm

    from encore.claims.measure import result_of

    found: dict[tuple[str, int], Run] = {}
    bar = tqdm(sorted(wanted), "claims", unit="run", leave=False, disable=None, dynamic_ncols=True)
    for name, seed in bar:
        bar.set_postfix_str(f"{name}, seed {seed}")
        cfg = recipe(name, seed=seed)
        try:
            with mistakes_named(name):
                found[name, seed] = cfg, result_of(cfg)
        except InputError as problem:
            found[name, seed] = cfg, problem
    return found


if __name__ == "__main__":
    end(main)
