"""Run the experiments that make claims, and judge these."""

from pathlib import Path

from encore.analysis.claims.ahead import Ahead
from encore.analysis.claims.claim import Claim, impossible
from encore.analysis.claims.experiments import recipe
from encore.analysis.claims.runs import Runs
from encore.analysis.claims.verdict import judge
from encore.analysis.claims.verdict_table import Verdicts
from encore.errors import ConfigError
from encore.runner.populations import DECIDED
from encore.terminal import harmless


def check(recipes: dict[str, dict], out: Path, kept: dict[str, bytes], jobs: int = 1) -> Verdicts:
    """Check the claims of experiments, given by name with their configs; prints each verdict when it is known.

    Args:
        recipes: the experiments.
        out: the folder of findings, which also keeps which runs train together.
        kept: what `recipe` kept of them.
        jobs: how many processes make their runs.

    Raises:
        ConfigError: one is compared with an experiment that does not exist.
        EncoreError: what stopped a run, such as a full disk or a signal; finished runs are kept.
    """
    claims = [(name, Claim(**entry)) for name, cfg in recipes.items() for entry in cfg["claims"]]
    composed = {**recipes}
    for name, claim in claims:
        if claim.other is not None:
            if claim.other not in composed:
                composed[claim.other] = recipe(claim.other, kept=kept)
            check_other(name, claim, composed[claim.other])
    verdicts = []
    with Ahead(list(recipes), out, jobs) as ahead:
        runs = Runs(composed, out / DECIDED, kept, ahead.begin)
        for number, (name, claim) in enumerate(claims):
            own, others = (runs.of(side, claim) for side in (name, claim.other))
            verdicts.append(judge(name, claim, own, others))
            print(harmless(f"[{number + 1}/{len(claims)}] {verdicts[-1].line()}"), flush=True)  # it may go on for long
    return Verdicts(verdicts)


def check_other(experiment: str, claim: Claim, other: dict) -> None:
    """Raise ConfigError if the experiment that a claim compares with cannot have what is claimed."""
    if said := list(impossible(claim, other)):
        raise ConfigError(f"experiment={experiment} claims of experiment={claim.other}{said[0]}")
