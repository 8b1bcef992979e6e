"""The labels of pictures in another language: `ENCORE_LANGUAGE=ko` draws them in Korean."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from encore.errors import ConfigError

VARIABLE = "ENCORE_LANGUAGE"
# Fonts that have the language's letters, the first that is installed is used.
FONTS = {
    "ko": (
        "Noto Sans CJK KR",
        "Noto Sans KR",
        "NanumGothic",
        "Malgun Gothic",
        "Apple SD Gothic Neo",
        "Noto Sans CJK JP",
    ),
}
# Words and phrases; longer ones first, so that none is taken apart.
WORDS = {
    "ko": {
        "all seeds": "모든 시드",
        "log-likelihood (nats)": "로그 가능도(nat)",
        "a probability": "확률",
        "likelihood": "가능도",
        "boundary: two are equally probable": "경계: 두 클래스의 확률이 같은 곳",
        "generalisation gap": "일반화 격차",
        "values, mean and its 95 % interval": "값, 평균, 평균의 95 % 신뢰 구간",
        "capacity grows": "용량이 커짐",
        "expected = bias² + variance": "기대 오차 = 편향² + 분산",
        "expected = bias + variance": "기대 오차 = 편향 + 분산",
        "variance = unbiased − biased": "분산 = 편향 없는 쪽 − 있는 쪽",
        "early stopping keeps the weights of epoch": "조기 종료가 가중치를 남기는 에포크:",
        "early stopping stops after epoch": "조기 종료가 멈추는 에포크:",
        "no losses were logged": "기록된 손실 없음",
        "what was learned": "학습한 것",
        "unknown unit": "알 수 없는 단위",
        "training loss": "훈련 손실",
        "validation loss": "검증 손실",
        "test loss": "테스트 손실",
        "test accuracy": "테스트 정확도",
        "val/loss": "검증 손실",
        "train/loss": "훈련 손실",
        "optim/lr": "학습률",
        "optim/param_norm": "파라미터 노름",
        "Brier score": "브라이어 점수",
        "0–1 loss": "0–1 손실",
        "first input": "첫째 입력",
        "second input": "둘째 입력",
        "learning rate": "학습률",
        "validation": "검증",
        "training": "훈련",
        "maximum": "최댓값",
        "accuracy": "정확도",
        "variance": "분산",
        "observed": "관찰",
        "in the end": "(끝)",
        "everywhere": "어디서나",
        "members": "구성원 수",
        "epochs": "에포크",
        "epoch": "에포크",
        "found": "찾은 값",
        "start": "시작",
        "boundary": "경계",
        "target": "목푯값",
        "input": "입력",
        "class": "클래스",
        "bias²": "편향²",
        "bias": "편향",
        "loss": "손실",
        "seeds": "시드",
        "seed": "시드",
        "falls": "감소",
        "test": "테스트",
    },
}
# Phrases whose order differs.
PATTERNS = {
    "ko": {
        r"([\d,]+) of ([\d,]+) training examples right": r"훈련 샘플 \2개 가운데 \1개 정답",
        r"([\d,]+) of ([\d,]+) observed": r"\2번 가운데 \1번 관찰",
        r"probability of class (.+)": r"클래스 \1의 확률",
    },
}


def translate(figure: Figure) -> None:
    """Put a figure's labels into the language that is asked for; names of settings stay as they are.

    Raises:
        ConfigError: the language is not known, or no installed font has its letters.
    """
    language = os.environ.get(VARIABLE, "en")
    if language == "en":
        return
    if language not in WORDS:
        raise ConfigError(f"{VARIABLE}={language}: pictures are drawn in {', '.join(['en', *WORDS])}")
    font = installed(FONTS[language]) or installed(FONTS[language], anew=True)
    if font is None:
        raise ConfigError(f"{VARIABLE}={language}: none of its fonts is installed: {', '.join(FONTS[language])}")
    for label in figure.findobj(Text):
        if said := label.get_text():
            label.set_text(translated(said, language))
            label.set_fontfamily([font, "DejaVu Sans"])


def installed(names: Sequence[str], anew: bool = False) -> str | None:
    """The first of several fonts that matplotlib knows, or that is there if it looks anew; None if none is."""
    if anew:
        words = {name.split()[-1].lower() for name in names} | {"cjk", "nanum", "malgun"}
        for file in font_manager.findSystemFonts():
            if any(word in Path(file).stem.lower() for word in words):
                font_manager.fontManager.addfont(file)
    known = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in names if name in known), None)


def translated(text: str, language: str) -> str:
    words = WORDS[language]
    for pattern, korean in PATTERNS[language].items():
        text = re.sub(pattern, korean, text)
    known = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    # A word within a setting's name, such as optim.lr or mlp_sigmoid, is none.
    return re.sub(rf"(?<![\w./-])(?:{known})(?![\w./-]|=)", lambda found: words[found[0]], text)
