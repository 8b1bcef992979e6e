"""The runs of a cross-validation, and the combination they favour."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tqdm import tqdm

from encore.analysis.cross_validation.plan import Candidate, Plan
from encore.analysis.results.groups import reason
from encore.analysis.results.statistics import Summary, summary
from encore.errors import Diverged, EncoreError
from encore.record.result import Result
from encore.runner.execute import result_of


@dataclass(frozen=True)
class Score:
    """A combination's results.

    Attributes:
        candidate: the combination.
        runs: one per fold, as far as they were made.
        values: of the metric after their last epochs.
        lost: why the combination is out; None if it has a value for each fold.
    """

    candidate: Candidate
    runs: list[Result]
    values: list[float]
    lost: str | None = None

    @property
    def summary(self) -> Summary:
        return summary(self.values)


def score_all(plan: Plan) -> list[Score]:
    """Run the missing runs, and print each result.

    Raises:
        EncoreError: a run was stopped; one that diverges ends its own combination only.
    """
    total = len(plan.candidates) * plan.folds
    with tqdm(total=total, unit="run", leave=False, disable=None, dynamic_ncols=True) as bar:
        return [score(candidate, plan, bar) for candidate in plan.candidates]


def score(candidate: Candidate, plan: Plan, bar: "tqdm[None]") -> Score:
    """The runs of one combination; after one fails, the other folds are skipped as pointless."""
    runs: list[Result] = []
    values: list[float] = []
    for fold in range(plan.folds):
        where = f"{candidate.label}, fold {fold}"
        bar.set_postfix_str(where)
        with stopped_in(where):
            run = result_of(candidate.on_fold(fold, plan.folds))
        runs.append(run)
        value = run.metrics.get(plan.metric)
        if run.status != "finished" or value is None or not math.isfinite(value):
            why = reason(run, plan.metric)
            tqdm.write(f"{where}  {why}")
            bar.update(plan.folds - fold)
            return Score(candidate, runs, values, f"fold {fold} {why}")
        values.append(value)
        tqdm.write(f"{where}  {plan.metric} {value:.4f}")
        bar.update()
    return Score(candidate, runs, values)


def best_of(scores: list[Score], mode: str) -> Score:
    """The combination with the best mean; the first one in a tie.

    Raises:
        Diverged: no combination has a mean.
    """
    found = in_order(scores, mode)
    if not found:
        reasons = "\n".join(f"  {each.candidate.label}: {each.lost}" for each in scores)
        raise Diverged(f"no combination has a value of every fold, so there is nothing to choose\n{reasons}")
    return found[0]


def in_order(scores: list[Score], mode: str) -> list[Score]:
    """The combinations that are not out, best first."""
    sign = 1 if mode == "min" else -1
    return sorted((each for each in scores if each.lost is None), key=lambda each: sign * each.summary.mean)


def last_run(best: Score) -> Result:
    """Train the chosen combination on all non-test data, and test it.

    Raises:
        Diverged: it did.
        EncoreError: what stopped it.
    """
    where = f"{best.candidate.label}, all that is not for test"
    with stopped_in(where):
        run = result_of(best.candidate.on_all())
    if run.status != "finished":
        raise Diverged(f"{where}: {run.error}")
    return run


@contextmanager
def stopped_in(run: str) -> Iterator[None]:
    """Name the run in the message of what stopped it."""
    try:
        yield
    except EncoreError as problem:
        raise type(problem)(f"{run}: {problem}") from problem
