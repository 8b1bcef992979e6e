"""Run the experiments that make claims, and judge these."""

from collections.abc import Iterable
from pathlib import Path

from encore.analysis.claims.claim import Claim, impossible
from encore.analysis.claims.experiments import recipe
from encore.analysis.claims.verdict import Run, judge
from encore.analysis.claims.verdict_table import Verdicts
from encore.data.offline import downloads_refused
from encore.errors import ConfigError, InputError
from encore.runner.execute import result_of
from encore.runner.populations import DECIDED, results_of
from encore.terminal import harmless


def check(recipes: dict[str, dict], out: Path) -> Verdicts:
    """Check the claims of experiments, given by name with their configs; prints each verdict when it is known.

    Args:
        recipes: the experiments.
        out: the folder of findings, which also keeps which runs train together.

    Raises:
        ConfigError: one is compared with an experiment that does not exist.
        EncoreError: what stopped a run, such as a full disk or a signal; finished runs are kept.
    """
    claims = [(name, Claim(**entry)) for name, cfg in recipes.items() for entry in cfg["claims"]]
    composed = {**recipes}
    for name, claim in claims:
        if claim.other is not None:
            if claim.other not in composed:
                composed[claim.other] = recipe(claim.other)
            check_other(name, claim, composed[claim.other])
    runs = Runs(composed, out / DECIDED)
    verdicts = []
    for number, (name, claim) in enumerate(claims):
        own, others = (runs.of(side, claim) for side in (name, claim.other))
        verdicts.append(judge(name, claim, own, others))
        print(harmless(f"[{number + 1}/{len(claims)}] {verdicts[-1].line()}"), flush=True)  # the next may take minutes
    return Verdicts(verdicts)


def check_other(experiment: str, claim: Claim, other: dict) -> None:
    """Raise ConfigError if the experiment that a claim compares with cannot have what is claimed."""
    if said := list(impossible(claim, other)):
        raise ConfigError(f"experiment={experiment} claims of experiment={claim.other}{said[0]}")


class Runs:
    """The runs of experiments, each run when it is first needed.

    Args:
        composed: the experiments' configs, by name.
        decided: the file in which is kept which of them train together.
    """

    def __init__(self, composed: dict[str, dict], decided: Path) -> None:
        self.composed, self.decided = composed, decided
        self.found: dict[tuple[str, int], Run] = {}

    def of(self, experiment: str | None, claim: Claim) -> list[Run]:
        """Those that a claim is about; none if there is no experiment."""
        if experiment is None:
            return []
        if claim.seeds is None:
            return [self.one(experiment, self.composed[experiment]["seed"], claim.of_run)]
        if claim.of_run:
            self.train(experiment, range(claim.seeds))
        return [self.one(experiment, seed, claim.of_run) for seed in range(claim.seeds)]

    def train(self, experiment: str, seeds: Iterable[int]) -> None:
        """Run an experiment with several seeds, together where that is faster."""
        cfgs = {seed: recipe(experiment, seed=seed) for seed in seeds if (experiment, seed) not in self.found}
        try:
            with downloads_refused():
                results = results_of(list(cfgs.values()), self.decided)
        except (InputError, ConfigError):
            return  # each run will say so of itself
        self.found |= {(experiment, seed): (cfgs[seed], result) for seed, result in zip(cfgs, results, strict=True)}

    def one(self, experiment: str, seed: int, needed: bool) -> Run:
        """A run's config, and its outcome if that is needed."""
        if (experiment, seed) in self.found or not needed:
            return self.found.get((experiment, seed), (recipe(experiment, seed=seed), None))
        cfg = recipe(experiment, seed=seed)
        try:
            with downloads_refused():
                outcome: Run = cfg, result_of(cfg)
        except (InputError, ConfigError) as problem:
            outcome = cfg, type(problem)(f"experiment={experiment}: {problem}")
        self.found[experiment, seed] = outcome
        return outcome
