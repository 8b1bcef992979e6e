"""Cross-validation: every example predicted by the run that did not train on it (Stone 1974)."""

from statistics import fmean, stdev

import numpy as np
from tqdm import tqdm

from encore.analysis.ensembles.ensemble import log_losses
from encore.analysis.ensembles.ensemble_figures import folds
from encore.analysis.ensembles.predictions import predict
from encore.analysis.ensembles.together import stacked
from encore.analysis.results.findings import Findings, measured
from encore.analysis.results.finished import differences
from encore.analysis.results.run_table import ABSENT, Table, mixture
from encore.errors import InputError
from encore.record.result import Result


def out_of_fold(table: Table, left_out: list[str]) -> Findings:
    """The out-of-fold predictions of all non-test examples.

    Args:
        table: one run per fold, with the same settings.
        left_out: runs that are not among them.

    Raises:
        InputError: a fold is missing or duplicated, or runs differ in more than the fold.
    """
    runs = in_order(table)
    found = [predict(run.folder, "val") for run in tqdm(runs, "predicting", unit=" runs", leave=False, disable=None)]
    predicted = [stacked([one])[0] for one in found]
    hits = [one.argmax(1) == held.targets for one, held in zip(predicted, found, strict=True)]
    losses = [log_losses(one, held.targets) for one, held in zip(predicted, found, strict=True)]
    accuracies, right = [float(hit.mean()) for hit in hits], np.concatenate(hits)
    indices = np.concatenate([held.indices for held in found])
    if len(np.unique(indices)) < len(indices):  # what is recorded of a fold is not what its config says
        raise InputError("these folds share examples: they do not come from one split")
    order = np.argsort(indices)
    fold = np.repeat(np.arange(len(runs)), [len(hit) for hit in hits])
    named = [*((f"fold {number}", *each) for number, each in enumerate(zip(hits, losses, strict=True)))]
    return Findings(
        name="folds",
        title=f"{len(indices):,} examples, each predicted by that of {len(runs)} runs that did not train on it",
        rows=[
            ["", "examples", "accuracy", "± s. e.", "log loss", "± s. e."],
            *(counted(*each) for each in [*named, ("all", right, np.concatenate(losses))]),
        ],
        values=[
            ["fold", "examples", "accuracy", "log_loss", "run"],
            *(
                [number, len(hit), hit.mean(), loss.mean(), str(run.folder)]
                for number, (hit, loss, run) in enumerate(zip(hits, losses, runs, strict=True))
            ),
        ],
        notes=[
            f"Over the folds: {fmean(accuracies):.4f} ± {stdev(accuracies):.4f}, mean and standard deviation.",
            *differences(table, ["data.fold"]),
            *chosen_on_the_fold(runs, table),
        ],
        figures={"folds": folds(accuracies, [len(hit) for hit in hits], float(right.mean()))},
        arrays={
            "probabilities": np.concatenate(predicted)[order],
            "predicted": np.concatenate(predicted)[order].argmax(1),
            "targets": np.concatenate([held.targets for held in found])[order],
            "indices": indices[order],
            "fold": fold[order],
        },
        runs=[run.folder for run in runs],
        left_out=left_out,
    )


def in_order(table: Table) -> list[Result]:
    """The run of each fold.

    Raises:
        InputError: there is not exactly one per fold, or they differ in more than the fold.
    """
    more = [name for name in table.different() if name not in ("data.fold", "seed")]
    more += [each for each in mixture(table) if each.startswith("data ")]
    if more:
        raise InputError(f"these runs differ in {', '.join(more)}: folds of one split differ in data.fold alone")
    count = table.settings.get("data.folds", [ABSENT])[0]
    if count in (ABSENT, "null"):
        raise InputError("these runs have no folds; encore train -m data.folds=5 'data.fold=range(5)' makes some")
    of_fold: dict[int, list[Result]] = {fold: [] for fold in range(int(count))}
    for run, fold in zip(table.runs, table.settings["data.fold"], strict=True):
        of_fold[int(fold)].append(run)
    problems = [f"fold {fold} of {count} is missing" for fold, runs in of_fold.items() if not runs]
    problems += [
        f"there are {len(runs)} runs of fold {fold}: {', '.join(str(run.folder) for run in runs)}"
        for fold, runs in of_fold.items()
        if len(runs) > 1
    ]
    if problems:
        raise InputError("\n".join([*problems, "give the folders of exactly one run per fold"]))
    return [runs[0] for runs in of_fold.values()]


def counted(name: str, hits: np.ndarray, losses: np.ndarray) -> list[str]:
    """A row with the number of examples."""
    name, *cells = measured(name, hits, losses)
    return [name, f"{len(hits):,}", *cells]


def chosen_on_the_fold(runs: list[Result], table: Table) -> list[str]:
    """What was chosen on the fold that a run predicts: weights, length, learning rate."""
    monitors = {f"best weights by {run.best['monitor']}" for run in runs if "val/" in str(run.best.get("monitor"))}
    aside = ("monitor.metric", "callbacks.checkpoint.monitor")
    for name in table.settings:
        values = {value for value in table.settings[name] if str(value).startswith("val/")}
        if name.endswith(".monitor") and name not in aside and values:
            monitors.add(f"{name.removesuffix('.monitor')} by {', '.join(sorted(values))}")
    if not monitors:
        return []
    return [
        f"Chosen on the fold that is predicted, which flatters it: {', '.join(sorted(monitors))}; "
        "monitor.metric=train/loss, and the like, choose without it."
    ]
