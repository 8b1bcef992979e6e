"""Joint predictions of several runs, as an ensemble."""

import numpy as np

from encore.analysis.ensembles.ensemble import (
    Uncertainty,
    average,
    by_size,
    checked,
    disagreement,
    entropy,
    log_losses,
    most_certain_first,
    predicted,
    uncertainty,
    votes,
)
from encore.analysis.ensembles.ensemble_figures import doubt, growth
from encore.analysis.ensembles.predictions import Predictions, predict_all, same_examples
from encore.analysis.results.findings import Findings, measured
from encore.analysis.results.finished import differences
from encore.analysis.results.run_table import Table
from encore.errors import InputError


def ensemble(table: Table, left_out: list[str], how: str) -> Findings:
    """Combine the runs' predictions of the test set.

    Args:
        table: the members.
        left_out: runs that are not members.
        how: `probabilities` or `votes`.

    Raises:
        InputError: a run cannot predict, or predicts other examples.
    """
    table, found = predict_all(table, left_out)
    folders = [run.folder for run in table.runs]
    same_examples(table, found)
    members, targets = stacked(found), found[0].targets
    shares = average(members) if how == "probabilities" else votes(members) / len(members)
    chosen = predicted(members, how)
    hits, right = members.argmax(-1) == targets, chosen == targets
    losses = np.array([log_losses(one, targets) for one in members])
    loss = log_losses(shares, targets) if how == "probabilities" else None  # votes are not probabilities
    uncertain = uncertainty(members)
    return Findings(
        name="ensemble",
        title=f"{len(members)} runs put together by {how}, on {len(targets):,} test examples",
        rows=rows(hits, losses, right, loss),
        values=[
            ["run", "accuracy", "log_loss"],
            *([str(run), hit.mean(), each.mean()] for run, hit, each in zip(folders, hits, losses, strict=True)),
            ["ensemble", right.mean(), "" if loss is None else loss.mean()],
        ],
        notes=[
            *differences(table),
            "Standard errors are over the test examples. Which member is the best is known only from this test set.",
            f"Two members disagree on {disagreement(members):.1%} of the examples, mean over all pairs.",
            *(of_doubt(name, uncertain, part) for name, part in (("right", right), ("wrong", ~right)) if part.any()),
        ],
        figures={
            "members": growth(by_size(members, targets, how), hits.mean(1).tolist(), how),
            "uncertainty": doubt(uncertain, right, kept(members, hits, uncertain, right)),
        },
        arrays={
            how: shares,
            "predicted": chosen,
            "targets": targets,
            "indices": found[0].indices,
            "members": members,
        },
        runs=folders,
        left_out=left_out,
    )


def stacked(found: list[Predictions]) -> np.ndarray:
    """The members' probabilities, [members, n, classes].

    Raises:
        InputError: some are not probabilities: a run's weights are not finite.
    """
    members = np.stack([one.probabilities for one in found])
    try:
        checked(members, found[0].targets)
    except ValueError as problem:
        raise InputError(f"these runs cannot be combined: {problem}") from problem
    return members


def rows(hits: np.ndarray, losses: np.ndarray, right: np.ndarray, loss: np.ndarray | None) -> list[list[str]]:
    """The table: members, ensemble, and its gain.

    Args:
        hits: whether each member is right, bool [members, n].
        losses: their log losses, [members, n].
        right: whether the ensemble is, bool [n].
        loss: its log losses, [n].
    """
    best = int(hits.mean(1).argmax())
    alone = {"mean": (hits.mean(0), losses.mean(0)), "best": (hits[best] * 1.0, losses[best])}
    gains = {which: (right - hit, None if loss is None else loss - each) for which, (hit, each) in alone.items()}
    return [
        ["", "accuracy", "± s. e.", "log loss", "± s. e."],
        measured(f"{len(hits)} members, mean", *alone["mean"]),
        measured("best member", *alone["best"]),
        measured("ensemble", right, loss),
        *(measured(f"ensemble − {which}", *gain, sign="+") for which, gain in gains.items()),
    ]


def kept(members: np.ndarray, hits: np.ndarray, uncertain: Uncertainty, right: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy among the examples of which each is the most certain, by what is meant by certain."""
    alone = [most_certain_first(entropy(one), hit) for one, hit in zip(members, hits, strict=True)]
    return {
        "ensemble, by its entropy": most_certain_first(uncertain.total, right),
        "ensemble, by disagreement": most_certain_first(uncertain.mutual, right),
        "single members, by their entropy": np.mean(alone, 0),
    }


def of_doubt(name: str, uncertain: Uncertainty, part: np.ndarray) -> str:
    """The parts of the uncertainty where the ensemble is right, or wrong."""
    total, expected, mutual = (
        values[part].mean() for values in (uncertain.total, uncertain.expected, uncertain.mutual)
    )
    return (
        f"Where it is {name} ({part.sum():,} examples): predictive entropy {total:.3f} nats, "
        f"{expected:.3f} in each member and {mutual:.3f} of disagreement."
    )
