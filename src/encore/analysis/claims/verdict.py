"""Whether a claim holds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from encore.analysis.claims.claim import Claim
from encore.analysis.claims.measure import measure
from encore.analysis.results.statistics import compare, summary
from encore.errors import ConfigError, EncoreError, InputError, NoDevice, NotHere, NotReproduced
from encore.record.result import Result

# A config and its outcome; None if nothing had to be run.
Run = tuple[dict, Result | EncoreError | None]


@dataclass(frozen=True)
class Verdict:
    """The outcome of checking a claim.

    Attributes:
        experiment: the experiment that makes it.
        claim: the claim.
        holds: None where it could not be checked.
        measured: figures, as many as are claimed; the least and the greatest where more are bounded; a status a seed
            where that is claimed; none where there are none.
        difference: in words; or why there is none.
        against: the other experiment's figure, if the claim compares two.
        seeds: a single figure's values, one a seed.
        problem: what must be fixed before the claim can be checked; missing data are not a problem.
    """

    experiment: str
    claim: Claim
    holds: bool | None
    measured: list[float] | list[str]
    difference: str
    against: float | None = None
    seeds: list[float] | None = None
    problem: EncoreError | None = None

    @property
    def fails(self) -> bool:
        """Whether it is wrong and not disputed."""
        return self.holds is False and not self.claim.disputed

    def row(self) -> list[str]:
        claim = self.claim
        published = claim.status or shown(claim.values) or required(claim)
        measured = " to ".join(map(brief, self.measured)) if claim.bounds_many else shown(self.measured)
        if claim.status and len(self.measured) > 1:
            measured = ", ".join(f"{count} {status}" for status, count in Counter(self.measured).items())
        if self.seeds is not None and len(self.seeds) > 1:
            measured += f" ± {summary(self.seeds).std:.2g}"
        if self.against is not None:
            measured += f", there {brief(self.against)}"
        holds = {True: "yes", False: "no", None: "not checked"}[self.holds]
        return [self.experiment, claim.subject, published, measured, self.difference, holds, claim.source]

    def line(self) -> str:
        """The verdict in a line."""
        experiment, subject, published, measured, difference, holds, _ = self.row()
        said = {"yes": "holds", "no": "does not hold"}.get(holds, holds)
        of = f": {measured}, published {published}" if measured else ""
        disputed = " (disputed)" if self.claim.disputed else ""
        return f"{experiment}: {subject} {said}{disputed}{of}" + (f"; {difference}" if difference else "")

    def plain(self) -> dict[str, Any]:
        """Everything as plain values, in full precision."""
        entry = {key: value for key, value in vars(self.claim).items() if value is not None}
        return {**vars(self), "claim": entry, "problem": self.problem and str(self.problem)}


def judge(experiment: str, claim: Claim, runs: Sequence[Run], others: Sequence[Run] = ()) -> Verdict:
    """Compare a claim with its runs, one per seed.

    Args:
        experiment: whose claim it is.
        claim: what it says.
        runs: of the experiment.
        others: of the one that it is compared with.
    """
    try:
        return of_status(experiment, claim, runs) if claim.status else of_figures(experiment, claim, runs, others)
    except NotReproduced as problem:
        return Verdict(experiment, claim, False, [], first_line(problem))
    except (NotHere, NoDevice) as problem:
        return Verdict(experiment, claim, None, [], first_line(problem))
    except (InputError, ConfigError) as problem:
        return Verdict(experiment, claim, None, [], first_line(problem), problem=problem)


def first_line(problem: EncoreError) -> str:
    return str(problem).splitlines()[0]


def of_status(experiment: str, claim: Claim, runs: Sequence[Run]) -> Verdict:
    """Whether all runs ended as claimed."""
    found = [given(outcome).status for _, outcome in runs]
    return Verdict(experiment, claim, set(found) == {claim.status}, found, "")


def of_figures(experiment: str, claim: Claim, runs: Sequence[Run], others: Sequence[Run]) -> Verdict:
    """Whether the figures of runs, or their means over the seeds, are as claimed."""
    measured = figures(claim, runs)
    if claim.bounds_many:
        holds, difference = bounded(claim, measured)
        if claim.epoch == "all" and not claim.seeds:
            difference += f", at epoch {worst(claim, measured) + 1}"
        return Verdict(experiment, claim, holds, [float(measured.min()), float(measured.max())], difference)
    mean = np.array([summary(column).mean for column in measured.T])
    seeds = measured[:, 0].tolist() if measured.shape[1] == 1 else None
    if others:
        beside = figures(claim, others, of=f"experiment={claim.other}: ")[:, 0]
        holds, difference = ordered(claim, measured[:, 0], beside)
        return Verdict(experiment, claim, holds, mean.tolist(), difference, summary(beside).mean, seeds)
    holds, difference = bounded(claim, mean) if claim.value is None else compared(claim, mean)
    return Verdict(experiment, claim, holds, mean.tolist(), difference, seeds=seeds)


def figures(claim: Claim, runs: Sequence[Run], of: str = "") -> np.ndarray:
    """What each of several runs gives, float64 [runs, figures]; all in one row where many are bounded.

    Raises:
        NotReproduced: a figure is missing or not finite.
    """
    each = [of_run(claim, cfg, outcome, of) for cfg, outcome in runs]
    found = np.concatenate(each)[None] if claim.bounds_many else np.stack(each)
    if not np.isfinite(found).all():
        raise NotReproduced(f"{claim.subject} is {found[~np.isfinite(found)][0]}")
    return found


def of_run(claim: Claim, cfg: dict, outcome: Result | EncoreError | None, of: str) -> np.ndarray:
    """What a run gives; a problem names the other experiment, and its seed where there are several."""
    try:
        return measure(claim, cfg, given(outcome) if claim.of_run else None)
    except NotReproduced as problem:
        seed = f"seed {cfg['seed']}: " if claim.seeds else ""
        raise NotReproduced(f"{of}{seed}{problem}") from problem


def given(outcome: Result | EncoreError | None) -> Result:
    """A run's result; raises what prevented it."""
    if isinstance(outcome, EncoreError):
        raise outcome
    assert outcome is not None
    return outcome


def ordered(claim: Claim, here: np.ndarray, there: np.ndarray) -> tuple[bool, str]:
    """Whether the mean here is on the side of that there which is claimed, and the difference, with its interval.

    Args:
        claim: with `below` or `above`.
        here: a figure a seed, float64 [seeds].
        there: of the other experiment.
    """
    difference = summary(here).mean - summary(there).mean
    said = f"{difference:+.4g}"
    compared = compare(dict(enumerate(there)), dict(enumerate(here))) if len(here) > 1 else None
    if compared is not None:
        said += f", 95 % {compared.low:+.4g} to {compared.high:+.4g}, p {compared.p:.2g}"
    return difference < 0 if claim.below else difference > 0, said


def bounded(claim: Claim, measured: np.ndarray) -> tuple[bool, str]:
    """Whether all figures are within the bounds, and how far the one is from its bound that is worst off.

    Args:
        claim: with `at_least`, `at_most` or both.
        measured: float64, of any shape.
    """
    rooms = []
    if claim.at_least is not None:
        rooms.append((measured.min() - claim.at_least, 1))
    if claim.at_most is not None:
        rooms.append((claim.at_most - measured.max(), -1))
    room, sign = min(rooms)
    return bool(room >= 0), f"{sign * room:+.4g}"


def worst(claim: Claim, measured: np.ndarray) -> int:
    """The place of the figure that is nearest to its bound, or farthest past it."""
    low = -np.inf if claim.at_least is None else claim.at_least
    high = np.inf if claim.at_most is None else claim.at_most
    return int(np.minimum(measured - low, high - measured).argmin())


def compared(claim: Claim, measured: np.ndarray) -> tuple[bool, str]:
    """Whether figures are what was published, and how far they are from it where they are farthest.

    Args:
        claim: with a value.
        measured: float64 [figures].
    """
    published = np.array(claim.values)
    off, allowed = np.abs(measured - published), claim.atol + claim.rtol * np.abs(published)
    with np.errstate(divide="ignore", invalid="ignore"):
        far = int(np.argmax(np.where(off > 0, off / allowed, 0)))
    difference = f"{off[far]:.2g}, of {allowed[far]:.2g} allowed"
    if claim.rtol and not claim.atol and published[far]:
        difference = f"relative {off[far] / abs(published[far]):.2g}, of {claim.rtol:.2g} allowed"
    if len(published) > 1:
        difference += f", at {claim.place_of(far)}"
    return bool((off <= allowed).all()), difference


def brief(value: float | str) -> str:
    """A figure with float32's seven digits, or a text."""
    return value if isinstance(value, str) else f"{value:.7g}"


def shown(values: Sequence[float] | Sequence[str]) -> str:
    """One figure, or the first and last of several."""
    texts = [brief(value) for value in values]
    if len(texts) < 3 or len(set(texts)) == 1:
        return ", ".join(dict.fromkeys(texts))
    return f"{texts[0]}, …, {texts[-1]}"


def required(claim: Claim) -> str:
    """What the figure has to be at least and at most, or whose it has to be below or above."""
    named = {"at least": claim.at_least, "at most": claim.at_most, "below": claim.below, "above": claim.above}
    return ", ".join(f"{words} {brief(bound)}" for words, bound in named.items() if bound is not None)
