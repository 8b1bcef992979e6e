"""The runs that claims are about."""

from collections.abc import Callable, Iterable
from pathlib import Path

from encore.analysis.claims.claim import Claim
from encore.analysis.claims.experiments import recipe
from encore.analysis.claims.verdict import Run
from encore.data.offline import downloads_refused
from encore.errors import ConfigError, InputError
from encore.runner.execute import result_of
from encore.runner.populations import begun, results_of


class Runs:
    """The runs of experiments, each run when it is first needed.

    Args:
        composed: the experiments' configs, by name.
        decided: the file in which is kept which of them train together.
        kept: what `recipe` kept of them.
        told: is called before one runs.
        waits: for other processes that run some of them; otherwise those are left to them.
    """

    def __init__(
        self,
        composed: dict[str, dict],
        decided: Path,
        kept: dict[str, bytes],
        told: Callable[[], object] = lambda: None,
        waits: bool = True,
    ) -> None:
        self.composed, self.decided, self.told, self.waits = composed, decided, told, waits
        self.found: dict[tuple[str, int], Run] = {}
        self.kept = kept

    def of(self, experiment: str | None, claim: Claim) -> list[Run]:
        """Those that a claim is about; none if there is no experiment."""
        if experiment is None:
            return []
        if claim.seeds is None:
            if experiment not in self.composed:
                self.composed[experiment] = recipe(experiment, kept=self.kept)
            return [self.one(experiment, self.composed[experiment]["seed"], claim.of_run)]
        if claim.of_run:
            self.train(experiment, range(claim.seeds))
        return [self.one(experiment, seed, claim.of_run) for seed in range(claim.seeds)]

    def train(self, experiment: str, seeds: Iterable[int]) -> None:
        """Run an experiment with several seeds, together where that is faster."""
        cfgs = {seed: recipe(experiment, seed, self.kept) for seed in seeds if (experiment, seed) not in self.found}
        if not cfgs:
            return
        try:
            with downloads_refused():
                results = results_of(list(cfgs.values()), self.decided, self.waits, self.told)
        except (InputError, ConfigError):
            return  # each run will say so of itself
        self.found |= {(experiment, seed): (cfgs[seed], result) for seed, result in zip(cfgs, results, strict=True)}

    def one(self, experiment: str, seed: int, needed: bool) -> Run:
        """A run's config, and its outcome if that is needed."""
        if (experiment, seed) in self.found:
            return self.found[experiment, seed]
        cfg = recipe(experiment, seed, self.kept)
        if not needed:
            return cfg, None
        try:
            with downloads_refused():
                if not begun(cfg):
                    self.told()
                outcome: Run = cfg, result_of(cfg, self.waits)
        except (InputError, ConfigError) as problem:
            outcome = cfg, type(problem)(f"experiment={experiment}: {problem}")
        self.found[experiment, seed] = outcome
        return outcome
