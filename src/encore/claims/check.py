"""Run what experiments claim, and judge it."""

from itertools import chain

from tqdm import tqdm

from encore.claims.claim import Claim, impossible
from encore.claims.experiments import recipe
from encore.claims.table import Verdicts
from encore.claims.verdict import Run, judge
from encore.data.offline import downloads_refused
from encore.errors import ConfigError, InputError
from encore.runner import result_of

Name = tuple[str, int]  # a run, by its experiment and seed


def check(recipes: dict[str, dict]) -> Verdicts:
    """Check the claims of experiments, given by name with their configs.

    Raises:
        ConfigError: one is compared with an experiment that is not there.
        EncoreError: what stopped a run, such as a full disk or a signal; runs that are finished stay so.
    """
    claims = [(name, Claim(**entry)) for name, cfg in recipes.items() for entry in cfg["claims"]]
    composed = {**recipes}
    for name, claim in claims:
        if claim.other is not None:
            if claim.other not in composed:
                composed[claim.other] = recipe(claim.other)
            check_other(name, claim, composed[claim.other])
    sides = [(runs_of(name, claim, composed), runs_of(claim.other, claim, composed)) for name, claim in claims]
    needed: dict[Name, bool] = {}
    for (_, claim), both in zip(claims, sides, strict=True):
        needed |= {run: claim.of_run or needed.get(run, False) for run in chain(*both)}
    runs = run_all(needed)
    return Verdicts(
        [
            judge(name, claim, [runs[run] for run in own], [runs[run] for run in others])
            for (name, claim), (own, others) in zip(claims, sides, strict=True)
        ]
    )


def check_other(experiment: str, claim: Claim, other: dict) -> None:
    """Raise ConfigError if the experiment that a claim compares with cannot have what is claimed."""
    if said := list(impossible(claim, other)):
        raise ConfigError(f"experiment={experiment} claims of experiment={claim.other}{said[0]}")


def runs_of(experiment: str | None, claim: Claim, composed: dict[str, dict]) -> list[Name]:
    """An experiment's runs that a claim is about, of the configs by experiment."""
    if experiment is None:
        return []
    return [(experiment, seed) for seed in (range(claim.seeds) if claim.seeds else [composed[experiment]["seed"]])]


def run_all(needed: dict[Name, bool]) -> dict[Name, Run]:
    """Runs with their configs and what came of them.

    Args:
        needed: whether they have to be run; where not, their configs are enough.
    """
    found: dict[Name, Run] = {}
    bar = tqdm(sorted(needed), "claims", unit="run", leave=False, disable=None, dynamic_ncols=True)
    for experiment, seed in bar:
        bar.set_postfix_str(f"{experiment}, seed {seed}")
        cfg = recipe(experiment, seed=seed)
        try:
            with downloads_refused():
                found[experiment, seed] = cfg, result_of(cfg) if needed[experiment, seed] else None
        except (InputError, ConfigError) as problem:
            found[experiment, seed] = cfg, type(problem)(f"experiment={experiment}: {problem}")
    return found
