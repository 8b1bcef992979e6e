"""Whether claims hold, and how that is shown and kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from encore.claims.claim import Claim
from encore.claims.measure import measure
from encore.errors import InputError, NotReproduced
from encore.record.files import write_json, write_text
from encore.record.result import Result
from encore.results.report import Rows, aligned, literal, markdown

HEADING = ["experiment", "claim", "published", "measured", "difference", "holds", "source"]
Run = tuple[dict, Result | InputError]  # a config, and what came of it


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes:
        experiment: whose it is.
        claim: as it stands there.
        holds: None where it could not be checked.
        measured: figures, as many as are published; a status where that is claimed; none where there are none.
        difference: in words; or why there is none.
    """

    experiment: str
    claim: Claim
    holds: bool | None
    measured: list[float] | list[str]
    difference: str

    @property
    def fails(self) -> bool:
        """Whether it is shown to be wrong, and nobody has said why."""
        return self.holds is False and not self.claim.disputed

    def row(self) -> list[str]:
        """Its line of the table."""
        claim = self.claim
        published = claim.status or shown(claim.values) or bounds(claim)
        holds = {True: "yes", False: "no", None: "not checked"}[self.holds]
        return [self.experiment, claim.subject, published, shown(self.measured), self.difference, holds, claim.source]

    def plain(self) -> dict[str, Any]:
        """All of it, in full precision."""
        entry = {key: value for key, value in vars(self.claim).items() if value is not None}
        return {**vars(self), "claim": entry}


def judge(experiment: str, claim: Claim, runs: Sequence[Run]) -> Verdict:
    """Compare a claim with the runs that it is about, one a seed.

    Raises:
        ConfigError: the claim is about what the runs have not.
    """
    measured: list[Any] = []
    try:
        results = [(cfg, given(outcome)) for cfg, outcome in runs]
        if claim.status:
            measured = [result.status for _, result in results]
            return Verdict(experiment, claim, set(measured) == {claim.status}, measured, "")
        found = np.mean([measure(claim, cfg, result) for cfg, result in results], axis=0)
    except InputError as problem:
        return Verdict(experiment, claim, None, [], str(problem).splitlines()[0])
    except NotReproduced as problem:
        return Verdict(experiment, claim, False, [], str(problem))
    return Verdict(experiment, claim, *compared(claim, found))


def given(outcome: Result | InputError) -> Result:
    """The result of a run; what prevented it is raised."""
    if isinstance(outcome, InputError):
        raise outcome
    return outcome


def compared(claim: Claim, measured: np.ndarray) -> tuple[bool, list[float], str]:
    """Whether figures are what was published, and how far they are from it where they are farthest.

    Args:
        claim: with a value or bounds.
        measured: float64 [figures].
    """
    figures = measured.tolist()
    if claim.value is None:
        least = -np.inf if claim.at_least is None else claim.at_least
        most = np.inf if claim.at_most is None else claim.at_most
        away = min((measured[0] - bound for bound in (least, most) if np.isfinite(bound)), key=abs)
        return bool(least <= measured[0] <= most), figures, f"{away:+.4g}"
    published = np.array(claim.values)
    off, allowed = np.abs(measured - published), claim.atol + claim.rtol * np.abs(published)
    worst = int(np.argmax(np.nan_to_num(off - allowed, nan=np.inf, posinf=np.inf)))
    difference = f"{off[worst]:.2g}, of {allowed[worst]:.2g} allowed"
    if claim.rtol and not claim.atol and published[worst]:
        difference = f"relative {off[worst] / abs(published[worst]):.2g}, of {claim.rtol:.2g} allowed"
    return bool((off <= allowed).all()), figures, difference


def shown(figures: Sequence[float] | Sequence[str]) -> str:
    """One figure, or the first and the last of several."""
    texts = [figure if isinstance(figure, str) else f"{figure:.7g}" for figure in figures]
    if len(texts) < 3 or len(set(texts)) == 1:
        return ", ".join(dict.fromkeys(texts))
    return f"{texts[0]}, …, {texts[-1]}"


def bounds(claim: Claim) -> str:
    """What the figure has to be at least and at most."""
    named = {"at least": claim.at_least, "at most": claim.at_most}
    return ", ".join(f"{words} {bound:.7g}" for words, bound in named.items() if bound is not None)


@dataclass(frozen=True)
class Verdicts:
    """What became of all claims."""

    all: list[Verdict]

    @property
    def failing(self) -> int:
        """How many claims are wrong."""
        return sum(verdict.fails for verdict in self.all)

    def rows(self, disputed: bool) -> Rows:
        """The table of those that are disputed, with the reason, or of all others; empty where there are none."""
        chosen = [verdict for verdict in self.all if bool(verdict.claim.disputed) == disputed]
        reasons = [[str(verdict.claim.disputed)] if disputed else [] for verdict in chosen]
        heading = [[*HEADING, *["disputed"] * disputed]] if chosen else []
        return heading + [verdict.row() + reason for verdict, reason in zip(chosen, reasons, strict=True)]

    def summary(self) -> str:
        """How many there are of each kind."""
        kinds = {
            "hold": sum(verdict.holds is True and not verdict.claim.disputed for verdict in self.all),
            "fail": self.failing,
            "not checked": sum(verdict.holds is None and not verdict.claim.disputed for verdict in self.all),
            "disputed": sum(bool(verdict.claim.disputed) for verdict in self.all),
        }
        return f"{len(self.all)} claims: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)

    def text(self) -> str:
        """For a terminal."""
        tables = [aligned(rows) for disputed in (False, True) if (rows := self.rows(disputed))]
        return "\n\n".join([*tables, self.summary()])

    def write(self, folder: Path) -> None:
        """Write claims.md and claims.json."""
        parts = ["# Claims", literal(self.summary())]
        for title, disputed in (("", False), ("## Disputed", True)):
            if rows := self.rows(disputed):
                parts += [*[title] * bool(title), markdown(rows)]
        write_text(folder / "claims.md", "\n\n".join(parts) + "\n")
        write_json(folder / "claims.json", [verdict.plain() for verdict in self.all])
