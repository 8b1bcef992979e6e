"""A claim: a published figure for a run, as stated under `claims` in its config."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from encore.config.facts import has_test, has_validation, logged, show, without_test
from encore.config.rules import Rule, integer, number, one_of, text

SUBJECTS = ("metric", "parameter", "gradient", "inputs", "status")
BOUNDS = ("at_least", "at_most")
ORDERS = ("below", "above")
PLACES = ("last", "best", "all")
finite = number(-float("inf"))


def value(given: Any) -> str | None:
    """A finite number, or lists of them to any depth, none empty."""
    if isinstance(given, list) and given:
        return next((problem for item in given if (problem := value(item))), None)
    return finite(given) and "must be a finite number, or a list of them"


def epoch(given: Any) -> str | None:
    """An epoch by its number, or `last`, `best` or `all`."""
    good = given in PLACES if isinstance(given, str) else integer(1)(given) is None
    return None if good else "must be an epoch's number, counted from 1, or last, best or all"


RULES: dict[str, Rule] = {
    "metric": text,
    "parameter": text,
    "gradient": text,
    "inputs": one_of("train", "val", "test"),
    "status": one_of("finished", "diverged"),
    "epoch": epoch,
    "step": integer(1),
    "reaches": finite,
    "value": value,
    "rtol": number(0),
    "atol": number(0),
    "at_least": finite,
    "at_most": finite,
    "below": text,
    "above": text,
    "seeds": integer(1),
    "disputed": text,
    "source": text,
}


@dataclass(frozen=True)
class Claim:
    """A published result of a run.

    Attributes:
        source: where it was published.
        metric: a name of the log, such as `train/loss`; or
        parameter: the name of one of the net's, flattened row by row; or
        gradient: a parameter's name: the gradient there of the loss over the training set, before training; or
        inputs: the split whose normalised inputs are meant, flattened row by row; or
        status: what becomes of the run.
        epoch: whose metric or weights, counted from 1; the last if neither this nor a step is given; `all` of them
            are bounded.
        step: whose loss, counted from 1: that of its batch, before its update.
        reaches: what is meant is the first epoch in which the metric is there or better, counted from 1.
        value: the figure, or those of as many consecutive epochs or steps.
        rtol, atol: it holds within `atol + rtol · |value|`.
        at_least, at_most: bounds of every figure that is meant, both allowed, in place of a value.
        below, above: in place of a value, another experiment, whose figure this one's is below or above.
        seeds: the figure is a mean over runs with this many seeds, from 0; None: the config's seed only.
        disputed: why the source is believed wrong; the claim is then shown, but never fails.
    """

    source: str
    metric: str | None = None
    parameter: str | None = None
    gradient: str | None = None
    inputs: str | None = None
    status: str | None = None
    epoch: int | str | None = None
    step: int | None = None
    reaches: float | None = None
    value: float | list | None = None
    rtol: float = 0.0
    atol: float = 0.0
    at_least: float | None = None
    at_most: float | None = None
    below: str | None = None
    above: str | None = None
    seeds: int | None = None
    disputed: str | None = None

    @property
    def values(self) -> list[float]:
        """The published figures in a row; none where there are bounds."""
        return [] if self.value is None else list(flat(self.value))

    @property
    def other(self) -> str | None:
        """The experiment to compare with, if any."""
        return self.below or self.above

    @property
    def of_run(self) -> bool:
        """Whether a run is needed; data and initial weights are known without one."""
        return not (self.inputs or self.gradient)

    @property
    def of_log(self) -> bool:
        """Whether a diverged run may provide it, from what it logged before diverging."""
        return self.step is not None or isinstance(self.epoch, int)

    @property
    def bounds_many(self) -> bool:
        """Whether every figure of every run is bounded, rather than their mean."""
        several = self.epoch == "all" or not (self.metric or self.status)
        return several and (self.at_least is not None or self.at_most is not None)

    @property
    def subject(self) -> str:
        """What is claimed, in words."""
        named = {
            "epochs to": self.metric and self.reaches is not None and f"{self.metric} {self.reaches:g}",
            "": self.metric,
            "parameter": self.parameter,
            "first gradient of": self.gradient,
            "inputs of": self.inputs,
        }
        what = next((f"{kind} {name}".strip() for kind, name in named.items() if name), "status")
        return ", ".join([what, *self.place, *([f"over {self.seeds} seeds"] if self.seeds else [])])

    @property
    def place(self) -> list[str]:
        """Its epoch or step, in words."""
        first, unit = self.step or self.epoch, "step" if self.step else "epoch"
        if isinstance(first, int):
            last = first + len(self.values) - 1
            return [f"{unit}s {first} to {last}" if last > first else f"{unit} {first}"]
        unplaced = self.status or not self.of_run or self.reaches is not None or str(self.metric).startswith("test/")
        return [] if unplaced else ["all epochs" if first == "all" else f"{first or 'last'} epoch"]

    def place_of(self, number: int) -> str:
        """Which of several figures one is, counted from 0, in words."""
        first = self.step or self.epoch
        return (
            f"{'step' if self.step else 'epoch'} {first + number}" if isinstance(first, int) else f"number {number + 1}"
        )


def flat(value: Any) -> Iterator[float]:
    for item in value if isinstance(value, list) else ():
        yield from flat(item)
    if not isinstance(value, list):
        yield float(value)


def problems(cfg: dict) -> list[str]:
    """What is wrong with a checked config's claims, each with its place, counted from 0."""
    claims = cfg["claims"]
    if not isinstance(claims, list) or not all(isinstance(entry, dict) for entry in claims):
        return ["claims: must be a list, such as [{metric: test/accuracy, at_least: 0.9, source: a paper}]"]
    found = []
    for place, entry in enumerate(claims):
        said = list(malformed(entry)) or list(impossible(Claim(**entry), cfg))
        found += [f"claims[{place}]{problem}" for problem in said]
    return found


def malformed(entry: dict) -> Iterator[str]:
    """What is wrong with a claim, regardless of the run."""
    for key, given in entry.items():
        if key not in RULES:
            yield f".{key} is not part of a claim; choose from {', '.join(RULES)}"
        elif problem := RULES[key](given):
            yield f".{key}={given!r}: {problem}" if isinstance(given, str) else f".{key}={show(given)}: {problem}"
    if "source" not in entry:
        yield ": has no source; state where the figure was published"
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
    bounds, orders, tolerances = (entry.keys() & set(keys) for keys in (BOUNDS, ORDERS, ("rtol", "atol")))
    if ("value" in entry) + bool(bounds) + len(orders) != 1:
        yield ": needs one of: a value; at_least, at_most or both; below or above"
    elif "value" in entry and not tolerances:
        yield f".value={entry['value']}: has no tolerance; add rtol (relative) or atol (absolute), such as rtol: 1e-6"
    elif set(BOUNDS) <= bounds and entry["at_least"] > entry["at_most"]:
        yield f": no figure is at least {entry['at_least']:g} and at most {entry['at_most']:g}"
    elif tolerances and "value" not in entry:
        yield f": {', '.join(sorted(tolerances))} is of a value; {', '.join(sorted(bounds | orders))} has no tolerance"


def impossible(claim: Claim, cfg: dict) -> Iterator[str]:
    """What no run of the config could give."""
    splits = ["train", *["val"] * has_validation(cfg), *["test"] * has_test(cfg)]
    kept = bool(cfg["callbacks"].get("checkpoint"))
    if claim.metric is not None:
        yield from misplaced(claim, claim.metric, cfg)
    elif claim.reaches is not None:
        yield f".reaches={claim.reaches:g}: only metrics can reach a figure"
    elif not claim.of_run and (claim.epoch is not None or claim.step is not None):
        yield ": inputs and first gradients are the same in every epoch; leave epoch and step out"
    elif claim.inputs and claim.inputs not in splits:
        yield f".inputs={claim.inputs}: the run {missing(claim.inputs, cfg)}; choose from {', '.join(splits)}"
    elif claim.step is not None or isinstance(claim.epoch, int) or claim.epoch == "all":
        yield ": only metrics are recorded at every epoch or step; use epoch: last or best"
    if not kept and (claim.parameter or claim.epoch == "best"):
        yield ": weights, and which epoch is the best, are known by callbacks.checkpoint alone, which is null"


def misplaced(claim: Claim, metric: str, cfg: dict) -> Iterator[str]:
    """What is wrong with the place of a metric."""
    known, epochs = logged(cfg, has_validation(cfg), has_test(cfg)), cfg["trainer"]["max_epochs"]
    count = len(claim.values)
    last = claim.epoch + max(count, 1) - 1 if isinstance(claim.epoch, int) else 0
    if known and metric not in known:
        why = f": the run {missing('test', cfg)}" if metric.startswith("test/") and not has_test(cfg) else ""
        yield f".metric={metric} is never logged{why}; choose from {', '.join(known)}"
    elif sum(place is not None for place in (claim.epoch, claim.step, claim.reaches)) > 1:
        yield ": has more than one of epoch, step and reaches; one of them says which value is meant"
    elif metric.startswith("test/") and (claim.epoch, claim.step, claim.reaches) != (None, None, None):
        yield ": the test set is read once, with the best weights; leave epoch, step and reaches out"
    elif claim.step is not None and metric != "train/loss":
        yield f".step={claim.step}: of every step only train/loss is kept; epoch says which epoch's {metric} is meant"
    elif claim.step is not None and cfg["trainer"].get("accumulate_grad_batches", 1) > 1:
        yield f".step={claim.step}: with trainer.accumulate_grad_batches the losses are those of batches, not of steps"
    elif claim.epoch == "all" and claim.at_least is None and claim.at_most is None:
        yield ".epoch=all: is of at_least or at_most; epoch: 1 and a list of values say what each epoch's is"
    elif count > 1 and not (claim.step or isinstance(claim.epoch, int)):
        yield ".value: several values are those of consecutive epochs or steps; epoch: 1 or step: 1 says of which first"
    elif last > epochs:
        yield f".epoch={claim.epoch}: epoch {last} is claimed, but trainer.max_epochs={epochs}"


def missing(split: str, cfg: dict) -> str:
    """Why a run lacks a split."""
    return without_test(cfg) if split == "test" else f"has no {split} set"
