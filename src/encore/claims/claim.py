"""A claim: a figure that was published for a run, as the run's config states it below `claims`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from encore.rules import Rule, integer, number, one_of, text

SUBJECTS = ("metric", "parameter", "inputs", "status")
BOUNDS = ("at_least", "at_most")
PLACES = ("last", "best")
finite = number(-float("inf"))


def value(given: Any) -> str | None:
    """A finite number, or lists of them to any depth, none empty."""
    if isinstance(given, list) and given:
        return next((problem for item in given if (problem := value(item))), None)
    return finite(given) and "must be a finite number, or a list of them"


def epoch(given: Any) -> str | None:
    """An epoch by its number, or `last` or `best`."""
    good = given in PLACES if isinstance(given, str) else integer(1)(given) is None
    return None if good else "must be an epoch's number, counted from 1, or last, or best"


RULES: dict[str, Rule] = {
    "metric": text,
    "parameter": text,
    "inputs": one_of("train", "val", "test"),
    "status": one_of("finished", "diverged"),
    "epoch": epoch,
    "step": integer(1),
    "value": value,
    "rtol": number(0),
    "atol": number(0),
    "at_least": finite,
    "at_most": finite,
    "seeds": integer(1),
    "disputed": text,
    "source": text,
}


@dataclass(frozen=True)
class Claim:
    """What a source says that a run gives.

    Attributes:
        source: where it was published.
        metric: a name of the log, such as `train/loss`; or
        parameter: the name of one of the net's, flattened row by row; or
        inputs: the split whose normalised inputs are meant, flattened row by row; or
        status: what becomes of the run.
        epoch: whose metric or weights, counted from 1; the last if neither this nor a step is given.
        step: whose loss, counted from 1: that of its batch, before its update.
        value: the figure, or those of as many consecutive epochs or steps.
        rtol, atol: it holds within `atol + rtol · |value|`.
        at_least, at_most: bounds, both allowed, in place of a value.
        seeds: the figure is a mean over runs with so many seeds, from 0; without it, of the config's seed.
        disputed: why the source is thought to be wrong; the claim is then shown, and fails nothing.
    """

    source: str
    metric: str | None = None
    parameter: str | None = None
    inputs: str | None = None
    status: str | None = None
    epoch: int | str | None = None
    step: int | None = None
    value: float | list | None = None
    rtol: float = 0.0
    atol: float = 0.0
    at_least: float | None = None
    at_most: float | None = None
    seeds: int | None = None
    disputed: str | None = None

    @property
    def values(self) -> list[float]:
        """The published figures in a row; none where there are bounds."""
        return [] if self.value is None else list(flat(self.value))

    @property
    def subject(self) -> str:
        """What is claimed, in words."""
        named = {"parameter": self.parameter, "inputs of": self.inputs}
        what = self.metric or next((f"{kind} {name}" for kind, name in named.items() if name), "status")
        return ", ".join([what, *self.place, *([f"over {self.seeds} seeds"] if self.seeds else [])])

    @property
    def place(self) -> list[str]:
        """Of which epoch or step it is, in words."""
        first, unit = self.step or self.epoch, "step" if self.step else "epoch"
        if isinstance(first, int):
            last = first + len(self.values) - 1
            return [f"{unit}s {first} to {last}" if last > first else f"{unit} {first}"]
        unplaced = self.inputs or self.status or str(self.metric).startswith("test/")
        return [] if unplaced else [f"{first or 'last'} epoch"]


def flat(value: Any) -> Iterator[float]:
    """The numbers of a list of lists, in their order."""
    for item in value if isinstance(value, list) else ():
        yield from flat(item)
    if not isinstance(value, list):
        yield float(value)


def problems(claims: Any, known: Sequence[str], epochs: int) -> list[str]:
    """What is wrong with a config's claims, each with its place, counted from 0.

    Args:
        claims: as they stand in it.
        known: metrics that the run logs; empty where that is not known.
        epochs: how many the run has.
    """
    if not isinstance(claims, list) or not all(isinstance(entry, dict) for entry in claims):
        return ["claims: must be a list, such as [{metric: test/accuracy, at_least: 0.9, source: a paper}]"]
    found = []
    for place, entry in enumerate(claims):
        said = list(malformed(entry)) or list(impossible(Claim(**entry), known, epochs))
        found += [f"claims[{place}]{problem}" for problem in said]
    return found


def malformed(entry: dict) -> Iterator[str]:
    """What is wrong with a claim by itself."""
    for key, given in entry.items():
        if key not in RULES:
            yield f".{key} is no part of a claim; choose from {', '.join(RULES)}"
        elif problem := RULES[key](given):
            yield f".{key}={given}: {problem}"
    if "source" not in entry:
        yield ": has no source; source says where the figure was published"
    subjects = [key for key in SUBJECTS if key in entry]
    if len(subjects) != 1:
        yield f": claims {' and '.join(subjects) or 'nothing'}; exactly one of {', '.join(SUBJECTS)} is claimed"
    elif "status" in entry:
        if over := sorted(entry.keys() - {"status", "source", "seeds", "disputed"}):
            yield f": a status has no {', '.join(over)}"
    else:
        yield from without_figure(entry)


def without_figure(entry: dict) -> Iterator[str]:
    """What is wrong with a claim's figure and its tolerance."""
    bounds, tolerances = (entry.keys() & set(keys) for keys in (BOUNDS, ("rtol", "atol")))
    if ("value" in entry) == bool(bounds):
        yield ": has to have a value, or at_least or at_most, and not both"
    elif "value" in entry and not tolerances:
        yield f".value={entry['value']}: has no tolerance; rtol: 1e-6 is a relative one, atol: 1e-6 an absolute one"
    elif tolerances and bounds:
        yield f": {', '.join(sorted(tolerances))} is of a value; {', '.join(sorted(bounds))} has no tolerance"


def impossible(claim: Claim, known: Sequence[str], epochs: int) -> Iterator[str]:
    """What no run of the config could have."""
    placed = claim.epoch is not None or claim.step is not None
    if claim.metric is not None:
        yield from no_metric(claim, claim.metric, known, epochs)
    elif claim.step is not None or isinstance(claim.epoch, int):
        yield ": only metrics are kept of every epoch or step; epoch: last or best"
    elif claim.inputs and placed:
        yield ": inputs are the same in every epoch; leave epoch out"


def no_metric(claim: Claim, metric: str, known: Sequence[str], epochs: int) -> Iterator[str]:
    """What is wrong with the place of a metric."""
    count = len(claim.values)
    last = claim.epoch + max(count, 1) - 1 if isinstance(claim.epoch, int) else 0
    if known and metric not in known:
        yield f".metric={metric} is never logged; choose from {', '.join(known)}"
    elif claim.epoch is not None and claim.step is not None:
        yield ": has an epoch and a step; one of them says which value is meant"
    elif metric.startswith("test/") and (claim.epoch is not None or claim.step is not None):
        yield ": the test set is read once, with the best weights; leave epoch and step out"
    elif claim.step is not None and metric != "train/loss":
        yield f".step={claim.step}: of every step only train/loss is kept; epoch says which epoch's {metric} is meant"
    elif count > 1 and not (claim.step or isinstance(claim.epoch, int)):
        yield ".value: several values are those of consecutive epochs or steps; epoch: 1 or step: 1 says of which first"
    elif last > epochs:
        yield f".epoch={claim.epoch}: epoch {last} is claimed, but trainer.max_epochs={epochs}"
