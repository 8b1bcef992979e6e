"""Labels of pictures in Korean; names of settings and numbers stay as they are."""

import pytest
from matplotlib.figure import Figure

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
    ],
)
def test_words_are_translated_and_settings_are_not(said, korean):
    assert language.translated(said, "ko") == korean


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
