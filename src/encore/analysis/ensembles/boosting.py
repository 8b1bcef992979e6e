"""Boosting of weak learners for several classes: SAMME, AdaBoost by stagewise additive modelling.

Zhu, Zou, Rosset & Hastie 2009, "Multi-class AdaBoost", algorithm 2. With two classes it is AdaBoost.M1.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encore.analysis.ensembles.ensemble_figures import boosting
from encore.analysis.ensembles.predictions import Predictions
from encore.analysis.results.findings import Findings
from encore.analysis.results.table_formats import number

SHOWN = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000)  # ensemble sizes with a row in the table
HEADING = ("members", "train error", "test error", "its weighted error", "its say", "its train error", "its test error")
ROUNDING = 1e-9  # a learner that is the one before again has chance's error, but for that of the weights


@dataclass(frozen=True)
class Member:
    """A weak learner of the ensemble.

    Attributes:
        error: its weighted error on the weights it was fitted with.
        say: its weight in the ensemble.
        chosen: the classes that it predicts, int [n], of every training example once and of the test set, by split.
    """

    folder: Path
    error: float
    say: float
    chosen: dict[str, np.ndarray]


def weighted_error(weights: np.ndarray, wrong: np.ndarray) -> float:
    """The share of the weights, [n], on misclassified examples, bool [n]."""
    return float(weights[wrong].sum() / weights.sum())


def say_of(error: float, classes: int) -> float:
    """A learner's weight in the ensemble: log((1 - error) / error) + log(classes - 1).

    Args:
        error: its weighted error.
        classes: how many there are.

    Raises:
        ValueError: it is no better than chance, or makes no errors: neither can be boosted.
    """
    chance = 1 - 1 / classes
    if not error < chance - ROUNDING:
        raise ValueError(f"it is no better than chance: its weighted error is {error:.4f}, chance has {chance:.4f}")
    if error == 0:
        raise ValueError("it makes no errors: there is nothing left to boost")
    return math.log((1 - error) / error) + math.log(classes - 1)


def reweighted(weights: np.ndarray, wrong: np.ndarray, say: float) -> np.ndarray:
    """Weights for the next learner, [n], adding up to 1: those of examples predicted wrong grow by exp(say)."""
    grown = weights * np.exp(np.where(wrong, say, 0.0))
    return grown / grown.sum()


def staged(chosen: Iterable[np.ndarray], says: Sequence[float], classes: int) -> Iterator[np.ndarray]:
    """The votes of the first 1, 2, … learners as shares, [n, classes] each.

    Args:
        chosen: each learner's classes, int [n].
        says: its weight.
        classes: how many there are.
    """
    ballots: np.ndarray | float = 0.0
    for one, say, whole in zip(chosen, says, np.cumsum(says), strict=True):
        ballots = ballots + say * (one[:, None] == np.arange(classes))
        yield ballots / whole


def boosted(
    members: Sequence[Member], truth: Mapping[str, Predictions], words: Sequence[str], notes: list[str]
) -> Findings:
    """Results of the first 1, 2, … members together.

    Args:
        members: in their order.
        truth: what any of them predicts of each split: its targets and indices.
        words: the settings they share.
        notes: further sentences.
    """
    says, classes = [member.say for member in members], truth["test"].probabilities.shape[1]
    alone: dict[str, list[float]] = {}
    together: dict[str, list[float]] = {}
    for split in ("train", "test"):
        targets = truth[split].targets
        alone[split] = [float((member.chosen[split] != targets).mean()) for member in members]
        together[split] = []
        for shares in staged((member.chosen[split] for member in members), says, classes):
            together[split].append(float((shares.argmax(1) != targets).mean()))
    columns = (
        range(1, len(members) + 1), together["train"], together["test"],
        [member.error for member in members], says, alone["train"], alone["test"],
    )  # fmt: skip
    table = list(zip(*columns, strict=True))
    shown = [row for row in table if row[0] in (*SHOWN, len(table))]
    return Findings(
        name="boosting",
        title=f"Boosted, members: {len(members)}; {' '.join(words) or 'the default run'}",
        rows=[list(HEADING), *([str(row[0]), *map(number, row[1:])] for row in shown)],
        values=[
            [*(name.replace(" ", "_") for name in HEADING), "run"],
            *([*row, str(member.folder)] for row, member in zip(table, members, strict=True)),
        ],
        notes=[
            f"A member alone has a test error of {np.mean(alone['test']):.4f} in the mean, "
            f"{min(alone['test']):.4f} at best; together they have {together['test'][-1]:.4f}.",
            *notes,
        ],
        figures={"boosting": boosting(together, alone["test"], 1 - 1 / classes)},
        arrays={
            "votes": shares,
            "predicted": shares.argmax(1),
            "targets": targets,
            "indices": truth["test"].indices,
            "says": np.array(says),
        },
        runs=[member.folder for member in members],
        left_out=[],
    )
