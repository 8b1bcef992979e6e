"""How well embeddings, and features made by hand, tell whether two sets of digits are of one person."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from course.writers import handmade
from course.writers.digits import Digits
from course.writers.pairs import Pairs, draw, draw_alike, nearness, rates, resampled
from encore.analysis.results.axes import tidy
from encore.analysis.results.findings import Findings
from encore.config.build import build
from encore.errors import InputError
from encore.provenance.trust import recorded_config
from encore.record.checkpoint_files import BEST
from encore.record.result import Result
from encore.runner.restored_run import restored_run

EACH = 20  # pairs of either kind for each writer
SERIES = 2000  # NIST's writers from here on are high-school students, those below employees of the Census Bureau
BY_HAND = "hand-made features"
PERCENT = (2.5, 97.5)
SHOWN, OF = 3, 5  # pairs of either kind, of so many digits
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555")


@dataclass(frozen=True)
class Embedded:
    """The test digits as a run sees them.

    Attributes:
        folder: the run's.
        method: what its embedding is trained by.
        outputs: float32 [n, width].
        by_hand: hand-made features of the same digits, standardised by its training digits, [n, 4].
        pictures: bytes [n, 28, 28].
        digits: which digits they are, [n].
        writers: their numbers, [n].
        nist: NIST's numbers of the writers, [writers].
    """

    folder: Path
    method: str
    outputs: np.ndarray
    by_hand: np.ndarray
    pictures: np.ndarray
    digits: np.ndarray
    writers: np.ndarray
    nist: np.ndarray

    @property
    def series(self) -> np.ndarray:
        """Which of NIST's two groups of writers each digit is of, [n]."""
        return (self.nist >= SERIES)[self.writers]


def embed(run: Result) -> Embedded:
    """A finished run's embeddings of its test digits.

    Raises:
        InputError: the run, its checkpoint or its data cannot be used, or it is no such run.
    """
    folder = run.folder
    cfg = recorded_config(folder)
    sources = [cfg["data"].get(part) or {} for part in ("train", "test")]
    ours = all(str(source.get("_target_")).startswith("course.writers.") for source in sources)
    if not ours or "trained_by" not in cfg["task"]:
        raise InputError(f"{folder} is no run of task=verification on data=writers: it has no embedding of writers")
    train, test = (build({"root": cfg["data_dir"], **source}, what="data.test") for source in sources)
    assert isinstance(train, Digits)
    assert isinstance(test, Digits)
    with restored_run(folder, cfg, BEST) as parts:
        data, device = parts.data, parts.task.device
        ((_, affine),) = data.affines.items()
        affine, source, found = affine.to(device), data.opened_test(), []
        with torch.inference_mode(), parts.trainer.precision_plugin.forward_context():
            for indices in torch.arange(len(source)).split(cfg["data"]["eval_batch_size"]):
                found.append(parts.task(affine(source.read(indices.tolist()).to(device))).float().cpu())
        places = data.split.train.numpy()
    by_hand = handmade.standardised(
        handmade.features(test.picture.numpy()), test.digit.numpy(),
        handmade.features(train.picture.numpy()[places]), train.digit.numpy()[places],
    )  # fmt: skip
    digits, writers, nist = test.digit.numpy(), test.writer.numpy(), test.nist.numpy()
    outputs = torch.cat(found).numpy()
    return Embedded(folder, cfg["task"]["trained_by"], outputs, by_hand, test.picture.numpy(), digits, writers, nist)


@dataclass(frozen=True)
class Rate:
    """A figure with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def compare(runs: Sequence[Embedded], sizes: Sequence[int], draws: int, left_out: list[str]) -> Findings:
    """Each method's figures for sets of each size, over its runs.

    Raises:
        InputError: the runs' test digits differ, or there are no pairs.
    """
    first = runs[0]
    if any(not np.array_equal(run.pictures, first.pictures) for run in runs):
        raise InputError("the runs have other test digits: compare those of one data set alone")
    names = sorted({run.method for run in runs})
    methods = {name: [run.outputs for run in runs if run.method == name] for name in names}
    methods[BY_HAND] = [first.by_hand]
    kinds: list[tuple[str, Callable[[], Pairs]]] = [("1, the same digit", lambda: alike(first))]
    kinds += [(str(k), lambda k=k: some(first, k)) for k in sizes]  # type: ignore[misc]
    rows, values = [["digits", "writers", *(f"{m}: {what}" for m in methods for what in ("AUROC", "EER"))]], []
    found: dict[str, dict[str, list[Rate]]] = {}
    notes = [
        f"Of {len(first.nist)} writers, whom no run has seen, those with at least twice as many digits are compared: "
        f"{EACH} pairs of sets by each of them, and {EACH} by each of them and another writer of the same series.",
        f"Values are means over runs ({', '.join(f'{name}: {len(methods[name])}' for name in names)}). "
        f"Intervals: 95 %, {draws:,} draws of writers with replacement.",
    ]
    for name, make in kinds:
        try:
            pairs = make()
        except ValueError as problem:
            notes.append(f"{name}: {problem}.")
            continue
        drawn = resampled(pairs, draws)
        drawn = drawn[drawn[:, pairs.same].any(1) & drawn[:, ~pairs.same].any(1)]  # of few writers one may be all
        weights = np.concatenate([np.ones((1, len(pairs.left))), drawn])
        found[name] = {method: measured(outputs, pairs, weights) for method, outputs in methods.items()}
        writers = len(np.unique(pairs.writers))
        rows.append([name, str(writers), *(str(rate) for rates in found[name].values() for rate in rates)])
        values += [
            [name, writers, method, what, rate.value, rate.low, rate.high]
            for method, both in found[name].items() for what, rate in zip(("auroc", "eer"), both, strict=True)
        ]  # fmt: skip
    if not found:
        raise InputError(" ".join(notes[2:]))
    figures = {}
    if by_size := {name: each for name, each in found.items() if name.isdecimal()}:
        figures["writers"] = curve(by_size, list(methods))
    if wrong := mistakes(first):
        figures["mistakes"] = wrong
    heading = ["digits", "writers", "method", "figure", "value", "low", "high"]
    return Findings(
        "writers", "Were two sets of digits written by one person?", rows, [heading, *values], notes, figures, {},
        [run.folder for run in runs], left_out,
    )  # fmt: skip


def some(of: Embedded, k: int) -> Pairs:
    return draw(of.writers, k, EACH, groups=of.series)


def alike(of: Embedded) -> Pairs:
    return draw_alike(of.writers, of.digits, 1, 2, groups=of.series)


def measured(outputs: Sequence[np.ndarray], pairs: Pairs, weights: np.ndarray) -> list[Rate]:
    """Area and equal error rate: means over several embeddings, with intervals from the weights after the first row."""
    each = [rates(nearness(embedded, pairs), pairs.same, weights) for embedded in outputs]
    both = np.mean(np.array(each), 0)  # [2, rows]
    return [Rate(float(row[0]), *map(float, np.percentile(row[1:], PERCENT))) for row in both]


def curve(found: dict[str, dict[str, list[Rate]]], methods: Sequence[str]) -> Figure:
    """Area and equal error rate by the size of the sets."""
    figure = Figure(figsize=(5.8, 2.4), layout="constrained")
    panels = zip(figure.subplots(1, 2), ("area under the ROC curve", "equal error rate"), (0.5, 0.5), strict=True)
    for which, (axes, label, chance) in enumerate(panels):
        for method, color in zip(methods, COLORS, strict=False):
            each = [of[method][which] for of in found.values()]
            ends = [[rate.value - rate.low for rate in each], [rate.high - rate.value for rate in each]]
            axes.errorbar(
                range(len(found)), [rate.value for rate in each], np.maximum(ends, 0),
                marker="o", markersize=4, capsize=3, color=color, label=method,
            )  # fmt: skip
        axes.axhline(chance, color="0.6", linestyle=":", linewidth=1)
        axes.set_xticks(range(len(found)), list(found))
        axes.set_xlabel("digits in a set")
        axes.set_ylabel(label)
        tidy(axes)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize="small")
    return figure


def mistakes(of: Embedded) -> Figure | None:
    """The pairs that a run is surest about and wrong: by one writer and taken for two, and the other way round."""
    try:
        pairs = some(of, OF)
    except ValueError:
        return None
    scores = nearness(of.outputs, pairs)
    chosen: list[tuple[str, Any]] = [
        ("one writer, taken for two", sorted(np.flatnonzero(pairs.same), key=lambda place: scores[place])[:SHOWN]),
        ("two writers, taken for one", sorted(np.flatnonzero(~pairs.same), key=lambda place: -scores[place])[:SHOWN]),
    ]
    figure = Figure(figsize=(5.6, 1.0), layout="constrained")
    for axes, (title, places) in zip(figure.subplots(1, 2), chosen, strict=True):
        gap = np.zeros((of.pictures.shape[1], of.pictures.shape[2] // 2))
        lines = [np.hstack([*of.pictures[pairs.left[one]], gap, *of.pictures[pairs.right[one]]]) for one in places]
        axes.imshow(np.vstack(lines), cmap="gray_r")
        names = [", ".join(dict.fromkeys(str(of.nist[writer]) for writer in pairs.writers[one])) for one in places]
        height = of.pictures.shape[1]
        axes.set_yticks([height * (row + 0.5) for row in range(len(places))], names, fontsize="x-small")
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(title, fontsize="small")
    return figure
