"""Every label that the course's pictures have of their own is Korean with ENCORE_LANGUAGE=ko."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from labels import left_in_english
from matplotlib.figure import Figure

from course import transfer
from course.anomaly import figures
from course.anomaly.scores import judged
from course.efficient import table
from course.efficient.measure import BATCHES, Net
from course.passing import paths, thinned
from course.reviews import mistakes_figure, weights
from course.reviews.archive import Review
from course.reviews.mistakes import Mistake, Mistakes
from course.shift import curve
from course.streams import report
from course.writers import verification
from encore.analysis.results import groups
from encore.analysis.results.groups import Group

COURSE = ROOT / "src" / "course"


def scored() -> dict:
    """Scores of all methods, beside folders of runs."""
    names = ("anomaly_autoencoder", "anomaly_vae", "one-class SVM", "isolation forest", "kernel density")
    scores, anomalous = np.arange(40.0), np.arange(40) % 2 == 0
    return {name: (Path(), judged(scores, scores, anomalous, 0.95)) for name in names}


def streamed(method: str, window: int | None = None) -> report.Streamed:
    return report.Streamed(
        Path(), {"tasks": 2}, method, window, 0, np.eye(2) if window is None else np.eye(2)[-1:], np.ones(4)
    )


STREAMS = {
    report.ONLINE: [streamed(report.ONLINE)],
    "online, 500 remembered": [streamed("online, 500 remembered")],
    report.WINDOW: [streamed(report.WINDOW, window) for window in range(2)],
    report.ALL: [streamed(report.ALL)],
}


def anomaly_histograms(_: pytest.MonkeyPatch) -> Figure:
    return figures.histograms({name: one for name, (_, one) in scored().items()}, "some_data, normal: 3")


def anomaly_extremes(patch: pytest.MonkeyPatch) -> Figure:
    patch.setattr(figures, "drawn_again", lambda _, places: (np.zeros((len(places), 2, 2)), None))
    return figures.extremes(scored(), "some_data, normal: 3")


def anomaly_reconstructions(patch: pytest.MonkeyPatch) -> Figure | None:
    patch.setattr(figures, "drawn_again", lambda _, places: (np.zeros((len(places), 2, 2)),) * 2)
    return figures.reconstructions(scored(), "some_data, normal: 3")


def efficient_table(_: pytest.MonkeyPatch) -> Figure:
    kinds = ("", " · distilled", " · 0.9 pruned", " · int8 dynamic", " · int8 static")
    nets = [
        Net(
            f"strided_large{kind}",
            0.9,
            *[10**place] * 5,
            torch.nn.Identity(),
            [1],
            {batch: [1.0, 2.0] for batch in BATCHES},
        )
        for place, kind in enumerate(kinds, 3)
    ]
    return table.figure(table.rows(nets))


def moved_or_transferred(start: str) -> Group:
    settings = {"data.name": "some_data", "data.fraction": "0.1", "vars.start": start}
    return Group(settings, {(0,): [0.5], (1,): [0.6]}, ["a", "b"])


def transfer_figure(patch: pytest.MonkeyPatch) -> Figure:
    patch.setattr(groups, "groups", lambda *_: [moved_or_transferred(start) for start in transfer.WORDS])
    patch.setattr(transfer, "examples", lambda _: 100)
    return transfer.figure(None, "vars.start")


def shift_curves(_: pytest.MonkeyPatch) -> Figure:
    return curve.curves([[moved_or_transferred("some_net")]] * 2, "model.name")


def writers_curve(_: pytest.MonkeyPatch) -> Figure:
    methods = ("triplet", "classification", verification.BY_HAND)
    return verification.curve({"5": {name: [verification.Rate(0.9, 0.8, 1.0)] * 2 for name in methods}}, methods)


def writers_mistakes(_: pytest.MonkeyPatch) -> Figure | None:
    writers = np.repeat(np.arange(3), 10)
    outputs, pictures = np.random.default_rng(0).normal(size=(30, 2)), np.zeros((30, 4, 4))
    digits = np.zeros(30, int)
    of = verification.Embedded(Path(), "triplet", outputs, outputs, pictures, digits, writers, np.arange(3))
    return verification.mistakes(of)


def reviews_mistakes(_: pytest.MonkeyPatch) -> Figure:
    found = [Mistake(Review("test", label, 1, 7, "a good film"), 0.9, [(2, 6, 1.0)], 0) for label in ("neg", "pos")]
    return mistakes_figure.figure(Mistakes("some_run", 2, 16, found))


# By module and function; those that only call others are not among them.
DRAWN = {
    "anomaly.figures.histograms": anomaly_histograms,
    "anomaly.figures.extremes": anomaly_extremes,
    "anomaly.figures.reconstructions": anomaly_reconstructions,
    "efficient.table.figure": efficient_table,
    "passing.paths.figure": lambda _: paths.figure(
        ["sgd", "adam"], [paths.Descent([1.0] * 3, [1.0] * 3, losses) for losses in ([1.0, 0.5, 0.001], [1.0] * 3)]
    ),
    "passing.thinned.figure": lambda _: thinned.figure(thinned.Accuracies(0.9, np.ones(2), np.ones(2))),
    "reviews.mistakes_figure.figure": reviews_mistakes,
    "reviews.weights.figure": lambda _: weights.figure(weights.Weighed("some_run", [("fun", 1.0)], [("dull", -1.0)])),
    "shift.curve.curves": shift_curves,
    "streams.report.curves": lambda _: report.curves(STREAMS, 2),
    "streams.report.matrices": lambda _: report.matrices(STREAMS, 2),
    "transfer.figure": transfer_figure,
    "writers.verification.curve": writers_curve,
    "writers.verification.mistakes": writers_mistakes,
}
# Names of settings, of members of the archive, and of methods that have no Korean name.
NAMES = {
    "some_data", "some_net", "some_run", "model.name", "vae", "one-class", "SVM", "isolation", "forest", "sgd", "adam",
    "strided_large", "triplet", "classification", "aclImdb/test/neg/1_7.txt", "aclImdb/test/pos/1_7.txt",
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_no_english_is_left(name, monkeypatch):
    figure = DRAWN[name](monkeypatch)
    assert left_in_english(figure, *NAMES) == set()


def test_a_label_without_a_korean_word_is_found():
    figure = Figure()
    figure.subplots().set(xlabel="wind speed", ylabel="optim.lr")
    assert left_in_english(figure, "optim.lr") == {"wind", "speed"}


def test_every_function_of_the_course_that_makes_a_figure_is_among_them():
    found = {
        ".".join([*file.relative_to(COURSE).with_suffix("").parts, made.name])
        for file in COURSE.rglob("*.py")
        for made in ast.walk(ast.parse(file.read_text()))
        if isinstance(made, ast.FunctionDef) and made.returns
        if ast.unparse(made.returns).strip("'\"") in ("Figure", "Figure | None")
    }
    assert found == DRAWN.keys()
