"""The generalisation gap: how much worse weights do on held-out examples than on their training examples.

A run logs training metrics while weights change, under dropout, augmentation, noise, or targets that are mixed or
smoothed. Here both sides are measured the same way: the same weights, in evaluation mode, unchanged examples, the plain
loss.
"""

from collections.abc import Sequence
from dataclasses import replace

from encore.analysis.ensembles.ensemble import log_losses
from encore.analysis.ensembles.gap_table import ACCURACY_GAP, LOSS_GAP, GapTable
from encore.analysis.ensembles.overfitting import overfitting, stops_early
from encore.analysis.ensembles.predictions import Predictions, predict_splits, same_examples
from encore.analysis.results.findings import Findings
from encore.analysis.results.finished import differences, of_each
from encore.analysis.results.groups import Group, groups
from encore.analysis.results.report_figures import intervals
from encore.analysis.results.run_table import Table, differing
from encore.analysis.results.study import rank
from encore.config.suggestion import suggestion
from encore.errors import ConfigError
from encore.record.checkpoint_files import BEST, LAST

PLAIN = "none"  # the default group to compare with
FILES = {"last": LAST, "best": BEST}


def gap(
    table: Table,
    left_out: list[str],
    by: Sequence[str] | None = None,
    split: str = "test",
    weights: str | None = None,
    against: str | None = None,
) -> Findings:
    """Measure the gap of finished runs, in groups over their seeds.

    Args:
        table: the runs.
        left_out: runs that are not among them.
        by: the settings that define a group; None: all that differ.
        split: the held-out split, `test` or `val`.
        weights: `last` or `best`; without, those that a run's method gives: where it stops early the best (Goodfellow
            et al. 2016, algorithm 7.1), else the last.
        against: label of the group that the others are compared with; without, the one called none, if there is one.

    Raises:
        ConfigError: there is no such setting or group.
        InputError: a run cannot predict, or its held-out examples differ from the others'.
    """
    by = differing(table) if by is None else list(dict.fromkeys(by))
    plain = reference(groups(table, by, "train/loss"), against)
    files = [FILES[weights] if weights else given_by(table, place) for place in range(len(table.runs))]
    table, files, judged, examples = measured(table, left_out, split, files)
    of = {name: groups(judged, by, name) for name in judged.runs[0].metrics}
    order = sorted(range(len(of[LOSS_GAP])), key=lambda place: rank(of[LOSS_GAP][place], lower=True))
    found = GapTable(table, by, split, {name: [each[place] for place in order] for name, each in of.items()}, plain)
    figures = {
        "gap": intervals(found.groups, f"{split} loss − training loss", lower=True),
        "held_out": intervals(found.of[f"{split} loss"], f"{split} loss", lower=True),
        "accuracy": intervals(found.of[f"{split} accuracy"], f"{split} accuracy", lower=False),
    }
    if (course := overfitting(table, found.plain_group)) is not None:
        figures["overfitting"] = course
    return Findings(
        name="gap",
        title=f"Generalisation gap of {len(table.runs)} runs: {examples:,} {split} examples against those trained on",
        rows=found.rows(),
        values=found.values(),
        notes=[
            f"Gaps are {split} loss − training loss, in nats, and training accuracy − {split} accuracy; both sides are "
            "of the same weights in evaluation mode, of examples as they are, by the plain loss.",
            *of_weights(table, by, files, split),
            *differences(table, [*by, *table.repeats(by)]),
        ],
        figures=figures,
        arrays={},
        runs=[run.folder for run in table.runs],
        left_out=[*left_out, *(each for group in found.groups for each in group.lost)],
    )


def reference(found: list[Group], against: str | None) -> str | None:
    """The label of the group that others are compared with, if there is one.

    Raises:
        ConfigError: none has the label asked for.
    """
    labels = [group.label for group in found]
    if against is not None and against not in labels:
        known = ", ".join(labels)
        raise ConfigError(f"--against {against} is not a group{suggestion(against, labels)}; choose from {known}")
    return against or (PLAIN if PLAIN in labels else None)


def given_by(table: Table, place: int) -> str:
    """The checkpoint with the weights that a run's method selects."""
    return BEST if stops_early(table, place) else LAST


def measured(
    table: Table, left_out: list[str], split: str, files: Sequence[str]
) -> tuple[Table, list[str], Table, int]:
    """Measure each run.

    Returns:
        The runs that can be measured, and the file of each; the same with losses, accuracies and gaps as their
        metrics; and how many examples are held out.
    """
    of = {run.folder: file for run, file in zip(table.runs, files, strict=True)}
    kept, found = of_each(
        table, left_out, lambda run: predict_splits(run.folder, ["drawn", split], checkpoint=of[run.folder])
    )
    same_examples(kept, [held_out for _, held_out in found])
    runs = [
        replace(run, metrics=measures(trained, held_out, split))
        for run, (trained, held_out) in zip(kept.runs, found, strict=True)
    ]
    return kept, [of[run.folder] for run in kept.runs], replace(kept, runs=runs), len(found[0][1].targets)


def measures(trained: Predictions, held_out: Predictions, split: str) -> dict[str, float]:
    """Losses in nats, accuracies, and the gaps between them, of the same weights' predictions."""
    found = {}
    for name, one in (("train", trained), (split, held_out)):
        found[f"{name} loss"] = float(log_losses(one.probabilities, one.targets).mean())
        found[f"{name} accuracy"] = float((one.probabilities.argmax(1) == one.targets).mean())
    return {
        **found,
        LOSS_GAP: found[f"{split} loss"] - found["train loss"],
        ACCURACY_GAP: found["train accuracy"] - found[f"{split} accuracy"],
    }


def of_weights(table: Table, by: Sequence[str], files: Sequence[str], split: str) -> list[str]:
    """Which weights were used, and how they were chosen."""
    best = [place for place, file in enumerate(files) if file == BEST]
    if not best:
        return ["Weights are those of the last epoch."]
    monitors = sorted({str(table.runs[place].best.get("monitor")) for place in best})
    chosen = f"those of the best by {', '.join(monitors)}"
    which = sorted({" · ".join(table.settings[name][place] for name in by) for place in best})
    said = [
        f"Weights are {chosen}."
        if len(best) == len(files)
        else f"Weights are those of the last epoch, and for {', '.join(which)} {chosen}, as early stopping gives them."
    ]
    if any(monitor.startswith(f"{split}/") for monitor in monitors):
        said.append(f"Those were chosen on the {split} examples, which flatters them: --split test is fair.")
    return said
