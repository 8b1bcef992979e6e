"""Whether a claim holds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from encore.claims.claim import Claim
from encore.claims.measure import measure
from encore.errors import ConfigError, EncoreError, InputError, NoDevice, NotHere, NotReproduced
from encore.record.result import Result
from encore.results.statistics import compare, summary

# A config, and what came of it: None where nothing had to be run.
Run = tuple[dict, Result | EncoreError | None]


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes:
        experiment: whose it is.
        claim: as it stands there.
        holds: None where it could not be checked.
        measured: figures, as many as are claimed; the least and the greatest where more are bounded; a status a seed
            where that is claimed; none where there are none.
        difference: in words; or why there is none.
        against: the figure of the other experiment, where the claim is of an order.
        seeds: a single figure's values, one a seed.
        problem: that has to be mended before the claim can be checked; data that are not here are none.
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
        """Whether it is shown to be wrong, and nobody has said why."""
        return self.holds is False and not self.claim.disputed

    def row(self) -> list[str]:
        """Its line of the table."""
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

    def plain(self) -> dict[str, Any]:
        """All of it, in full precision."""
        entry = {key: value for key, value in vars(self.claim).items() if value is not None}
        return {**vars(self), "claim": entry, "problem": self.problem and str(self.problem)}


def judge(experiment: str, claim: Claim, runs: Sequence[Run], others: Sequence[Run] = ()) -> Verdict:
    """Compare a claim with the runs that it is about, one a seed.

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
    """What it says in the first place."""
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
        NotReproduced: some of them is not a finite number, or not there.
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
    """The result of a run; what prevented it is raised."""
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


def compared(claim: Claim, measured: np.ndarray) -> tuple[bool, str]:
    """Whether figures are what was published, and how far they are from it where they are farthest.

    Args:
        claim: with a value.
        measured: float64 [figures].
    """
    published = np.array(claim.values)
    off, allowed = np.abs(measured - published), claim.atol + claim.rtol * np.abs(published)
    with np.errstate(divide="ignore", invalid="ignore"):
        worst = int(np.argmax(np.where(off > 0, off / allowed, 0)))
    difference = f"{off[worst]:.2g}, of {allowed[worst]:.2g} allowed"
    if claim.rtol and not claim.atol and published[worst]:
        difference = f"relative {off[worst] / abs(published[worst]):.2g}, of {claim.rtol:.2g} allowed"
    return bool((off <= allowed).all()), difference


def brief(value: float | str) -> str:
    """A figure in the seven digits that float32 has, or a text."""
    return value if isinstance(value, str) else f"{value:.7g}"


def shown(values: Sequence[float] | Sequence[str]) -> str:
    """One figure, or the first and the last of several."""
    texts = [brief(value) for value in values]
    if len(texts) < 3 or len(set(texts)) == 1:
        return ", ".join(dict.fromkeys(texts))
    return f"{texts[0]}, …, {texts[-1]}"


def required(claim: Claim) -> str:
    """What the figure has to be at least and at most, or whose it has to be below or above."""
    named = {"at least": claim.at_least, "at most": claim.at_most, "below": claim.below, "above": claim.above}
    return ", ".join(f"{words} {brief(bound)}" for words, bound in named.items() if bound is not None)
