"""Labels of pictures in Korean; names of settings and numbers stay as they are."""

from dataclasses import replace

import numpy as np
import pytest
from labels import left_in_english
from matplotlib.figure import Figure

from encore.analysis.ensembles import ensemble_figures as figures
from encore.analysis.ensembles.ensemble import Uncertainty
from encore.analysis.ensembles.together import kept
from encore.analysis.pictures import mistakes
from encore.analysis.pictures.mistakes import Mistakes
from encore.analysis.results import language
from encore.analysis.results.figure_files import drawn
from encore.errors import ConfigError


@pytest.mark.parametrize(
    ("said", "korean"),
    [
        ("training loss", "훈련 손실"),
        ("epoch", "에포크"),
        ("optim.lr", "optim.lr"),
        ("task.loss=mae", "task.loss=mae"),
        ("mlp_sigmoid-loss", "mlp_sigmoid-loss"),
        ("capacity grows →   (optim.weight_decay falls)", "용량이 커짐 →   (optim.weight_decay 감소)"),
        ("°C = 0.5 · unknown unit − 17", "°C = 0.5 · 알 수 없는 단위 − 17"),
        ("training: 11", "훈련: 11"),
        ("3 of 4 training examples right", "훈련 샘플 4개 가운데 3개 정답"),
        ("probability of class 1", "클래스 1의 확률"),
        ("early stopping stops after epoch 14 to 17", "조기 종료가 멈추는 에포크: 14~17"),
        ("early stopping stops after epoch 14", "조기 종료가 멈추는 에포크: 14"),
        ("largest eigenvalue of the Hessian", "헤세 행렬의 가장 큰 고윳값"),
        ("chosen: optim.lr=1", "선택: optim.lr=1"),
        ("val/loss; the best 8 lines of 20", "검증 손실; 20개 가운데 가장 좋은 8개"),
    ],
)
def test_words_are_translated_and_settings_are_not(said, korean):
    assert language.translated(said, *language.known("ko")) == korean


def test_a_project_has_labels_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[tool.encore]\nlabels = ["labels.yaml"]\n')
    file = tmp_path / "labels.yaml"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"labels names labels\.yaml: no file in the project"):
        language.known("ko")
    file.write_text("ko:\n  words: {wind speed: 풍속, loss: 손해}\n  patterns: {'(\\d+) storms': '폭풍 \\1번'}\n")
    assert language.translated("wind speed in 3 storms, loss, epoch", *language.known("ko")) == (
        "풍속 in 폭풍 3번, 손해, 에포크"
    )
    file.write_text("de: {words: {wind speed: Windgeschwindigkeit}}\n")
    assert language.translated("wind speed", *language.known("ko")) == "wind speed"


@pytest.mark.parametrize(
    "content",
    ["ko: [wind]", "ko: {words: [wind]}", "ko: {patterns: {'(': x}}", "- ko", "\t", r"ko: {patterns: {'a': '\1'}}"],
)
def test_a_file_of_labels_that_holds_something_else(tmp_path, monkeypatch, content):
    (tmp_path / "pyproject.toml").write_text('[tool.encore]\nlabels = ["labels.yaml"]\n')
    (tmp_path / "labels.yaml").write_text(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"labels\.yaml must hold ko: \{words"):
        language.known("ko")


def mistakes_figure() -> Figure:
    found = Mistakes(
        "some_run", "test", np.zeros((1, 2, 2)), np.array([0]), np.array([1]), np.array([0.9]), 1, 9, ["0", "1"]
    )
    return mistakes.figure([found, replace(found, wrong=5), replace(found, wrong=0, pictures=np.zeros((0, 2, 2)))])


def doubt_figure() -> Figure:
    uncertain, right = Uncertainty(*[np.ones(40)] * 3), np.arange(40) % 2 == 0
    return figures.doubt(uncertain, right, kept(np.full((2, 40, 2), 0.5), np.ones((2, 40)), uncertain, right))


DRAWN = {
    "doubt": doubt_figure,
    "growth": lambda: figures.growth(np.ones((3, 2)), [0.5, 0.6], "probabilities"),
    "growth by votes": lambda: figures.growth(np.ones((3, 2)), [0.5, 0.6], "votes"),
    "folds": lambda: figures.folds([0.5, 0.6], [10, 10], 0.55),
    "boosting": lambda: figures.boosting({"train": [0.1], "test": [0.2]}, [0.3], 0.9),
    "mistakes": mistakes_figure,
}


@pytest.mark.parametrize("name", DRAWN)
def test_no_english_is_left(name):
    assert left_in_english(DRAWN[name](), "some_run") == set()


def test_a_picture_is_drawn_in_the_language_asked_for_if_a_font_has_its_letters(monkeypatch):
    figure = Figure()
    axes = figure.subplots()
    axes.set(xlabel="epoch")
    monkeypatch.setenv("ENCORE_LANGUAGE", "ko")
    monkeypatch.setattr(language, "installed", lambda *_, **__: None)
    with pytest.raises(ConfigError, match="none of its fonts is installed"):
        drawn(figure, "svg")
    monkeypatch.setattr(language, "installed", lambda *_, **__: "DejaVu Sans")
    language.translate(figure)
    assert axes.get_xlabel() == "에포크"
    monkeypatch.setenv("ENCORE_LANGUAGE", "xx")
    with pytest.raises(ConfigError, match="en, ko"):
        language.translate(figure)
