"""Accuracy as the test pictures move, in groups of runs over their seeds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from encore.analysis.results.axes import plain, tidy
from encore.analysis.results.findings import Findings
from encore.analysis.results.finished import differences, of_each
from encore.analysis.results.groups import Group, groups
from encore.analysis.results.run_table import Table, differing
from encore.config.facts import has_test, without_test
from encore.errors import InputError
from encore.provenance.trust import recorded_config
from encore.record.checkpoint_files import BEST
from encore.runner.restored_run import restored_run

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def shift(
    table: Table, left_out: list[str], by: Sequence[str] | None = None, most: int = 6, examples: int | None = None
) -> Findings:
    """Measure accuracies on moved test pictures.

    Args:
        table: the runs.
        left_out: runs that are not among them.
        by: the settings that define a group; None: all that differ.
        most: the largest shift in pixels.
        examples: about how many test pictures are looked at; None: all.

    Raises:
        ConfigError: there is no such setting.
        InputError: no run can be measured.
    """
    by = differing(table) if by is None else list(dict.fromkeys(by))
    groups(table, by, "train/loss")  # an unknown setting is refused before the work
    table, found = of_each(table, left_out, lambda run: accuracies(run.folder, most, examples), what="shifting")
    names = [f"{pixels} px" for pixels in range(most + 1)]
    runs = [
        replace(run, metrics=dict(zip(names, each, strict=True))) for run, each in zip(table.runs, found, strict=True)
    ]
    of = {name: groups(replace(table, runs=runs), by, name) for name in names}
    return Findings(
        name="shift",
        title=f"Test accuracy of {len(table.runs)} runs on pictures moved by 0 to {most} pixels",
        rows=rows(of, by),
        values=values(of, by),
        notes=[
            "Mean ± standard deviation. A picture is moved left, right, up and down, and the four accuracies are "
            "averaged; the pixels that come in repeat those at the edge.",
            "Weights are each run's best.",
            *([] if examples is None else [f"Of the test pictures about {examples:,} are looked at, evenly spaced."]),
            *differences(table, [*by, *table.repeats(by)]),
        ],
        figures={"shift": curves(list(of.values()), " · ".join(by))},
        arrays={},
        runs=[run.folder for run in table.runs],
        left_out=[*left_out, *(each for group in of[names[0]] for each in group.lost)],
    )


def accuracies(folder: Path, most: int, examples: int | None) -> list[float]:
    """A run's test accuracy with pictures moved by 0, 1, … pixels; arguments as of `shift`.

    Raises:
        InputError: it classifies no pictures, has no test set, or cannot be used.
    """
    cfg = recorded_config(folder)
    if not has_test(cfg):
        raise InputError(f"{folder} {without_test(cfg)}")
    right = torch.zeros(most + 1)
    with restored_run(folder, cfg, BEST) as parts, torch.inference_mode():
        source = parts.data.opened_test()
        task, precision = parts.task, parts.trainer.precision_plugin
        if source.targets.is_floating_point() or source.targets.ndim != 1 or not hasattr(task, "decision"):
            raise InputError(f"{folder} does not give each picture one class")
        chosen = parts.data.test_indices[:: max(1, len(parts.data.test_indices) // examples) if examples else 1]
        for inputs, targets in parts.data.evaluation(source, chosen):
            if not isinstance(inputs, Tensor) or inputs.ndim != 4:
                raise InputError(f"{folder} reads no pictures: only inputs of [channels, height, width] can be moved")
            if most >= min(inputs.shape[2:]):
                raise InputError(f"{folder} has pictures of {inputs.shape[2]} × {inputs.shape[3]} pixels: lower --most")
            for pixels in range(most + 1):
                for down, across in DIRECTIONS if pixels else DIRECTIONS[:1]:
                    with precision.forward_context():
                        outputs = task(precision.convert_input(moved(inputs, pixels * down, pixels * across)))
                    hits = (task.decision(outputs) == targets).sum().cpu()  # type: ignore[operator]
                    right[pixels] += hits / (len(DIRECTIONS) if pixels else 1)
        return (right.double() / len(chosen)).tolist()


def moved(pictures: Tensor, down: int, across: int) -> Tensor:
    """Pictures [n, c, h, w] moved down and to the right by pixels; what comes in repeats the edge."""
    border = max(abs(down), abs(across))
    height, width = pictures.shape[2:]
    padded = F.pad(pictures, [border] * 4, mode="replicate")
    top, left = border - down, border - across
    return padded[:, :, top : top + height, left : left + width]


def rows(of: dict[str, list[Group]], by: Sequence[str]) -> list[list[str]]:
    """The table as it is shown: a row a group, a column a shift."""
    heading = [*(by or ["runs"]), "n", *of]
    return [
        heading,
        *([*(one[0].shown or [one[0].label]), str(len(one[0].found)), *map(cell, one)] for one in across(of)),
    ]


def across(of: dict[str, list[Group]]) -> list[tuple[Group, ...]]:
    """Each group, at every shift."""
    return list(zip(*of.values(), strict=True))


def cell(group: Group) -> str:
    found = group.summary
    if found is None:
        return "–"
    return f"{found.mean:.4f}" if found.std is None else f"{found.mean:.4f} ± {found.std:.4f}"


def values(of: dict[str, list[Group]], by: Sequence[str]) -> list[list[Any]]:
    """In full precision: a row for each group and shift."""
    table: list[list[Any]] = [[*(by or ["runs"]), "pixels", "n", "mean", "std", "low", "high"]]
    for one in across(of):
        for pixels, group in enumerate(one):
            found = group.summary
            numbers = [found.n, found.mean, found.std, found.low, found.high] if found else [0, None, None, None, None]
            table.append([*(group.settings.values() or [group.label]), pixels, *numbers])
    return table


def curves(at: Sequence[list[Group]], by: str) -> Figure:
    """Each group's mean accuracy by shift, with its 95 % interval.

    Args:
        at: the groups at 0, 1, … pixels.
        by: what tells the groups apart.
    """
    drawn = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = drawn.subplots()
    for place, one in enumerate(zip(*at, strict=True)):
        found = [(pixels, group.summary) for pixels, group in enumerate(one) if group.summary]
        if not found:
            continue
        pixels, of = zip(*found, strict=True)
        axes.plot(pixels, [each.mean for each in of], "o-", color=f"C{place}", markersize=4, label=plain(one[0].label))
        low, high = ([getattr(each, end) or each.mean for each in of] for end in ("low", "high"))
        axes.fill_between(pixels, low, high, color=f"C{place}", alpha=0.2, linewidth=0)
    axes.set(xlabel="shift (pixels)", ylabel="test accuracy", ylim=(0, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize="small", title=plain(by), title_fontsize="small", loc="lower left")
    tidy(axes)
    return drawn
