"""The labels of pictures in another language: `ENCORE_LANGUAGE=ko` draws them in Korean.

A project names the labels of its own pictures in files: `labels = ["src/mine/labels.yaml"]` below `[tool.encore]`.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from encore.config import places
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
        "all runs": "모든 실행",
        "mean and its 95 % interval": "평균과 95 % 신뢰 구간",
        "one fold ± standard error": "폴드 하나 ± 표준 오차",
        "one fold": "폴드 하나",
        "fold": "폴드",
        "chosen": "선택",
        "out: a run diverged": "제외: 발산한 실행이 있음",
        "9 of 10 orders": "순서의 90 %",
        "members alone": "구성원 하나씩",
        "best member": "가장 좋은 구성원",
        "single members, test": "구성원 하나씩, 테스트",
        "boosted": "부스팅",
        "chance": "무작위",
        "mean": "평균",
        "error": "오류율",
        "largest eigenvalue of the Hessian": "헤세 행렬의 가장 큰 고윳값",
        "step α along a filter-normalised direction": "필터 정규화한 방향의 스텝 α",
        "share of examples kept, most certain first": "남긴 샘플의 비율(확신하는 것부터)",
        "accuracy among them": "남긴 샘플의 정확도",
        "mean uncertainty of a prediction (nats)": "예측의 평균 불확실성(nat)",
        "in each member (expected entropy)": "구성원 각자(기대 엔트로피)",
        "members disagree (mutual information)": "구성원 사이의 이견(상호 정보량)",
        "the ensemble is": "앙상블의 예측",
        "ensemble, by its entropy": "앙상블, 엔트로피 순",
        "ensemble, by disagreement": "앙상블, 이견 순",
        "single members, by their entropy": "구성원 하나씩, 엔트로피 순",
        "true class → predicted class and its probability": "실제 클래스 → 예측한 클래스와 그 확률",
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
        "train": "훈련",
        "maximum": "최댓값",
        "accuracy": "정확도",
        "variance": "분산",
        "observed": "관찰",
        "in the end": "(끝)",
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
PATTERNS: dict[str, dict[str, Any]] = {
    "ko": {
        r"([\d,]+) of ([\d,]+) training examples right": r"훈련 샘플 \2개 가운데 \1개 정답",
        r"([\d,]+) of ([\d,]+) observed": r"\2번 가운데 \1번 관찰",
        r"([\d.]+) everywhere": r"어디서나 \1",
        r"probability of class (.+)": r"클래스 \1의 확률",
        r"early stopping keeps the weights of epoch (\d+)(?: to (\d+))?": lambda found: (
            f"조기 종료가 가중치를 남기는 에포크: {span(found)}"
        ),
        r"early stopping stops after epoch (\d+)(?: to (\d+))?": lambda found: (
            f"조기 종료가 멈추는 에포크: {span(found)}"
        ),
        r"([\d,]+) runs and their mean": r"실행 \1개와 그 평균",
        r"weights of epoch (\d+), the best": r"가장 좋은 \1 에포크의 가중치",
        r"ensemble by probabilities, mean over orders": "확률을 평균한 앙상블, 순서에 대한 평균",
        r"ensemble by votes, mean over orders": "투표하는 앙상블, 순서에 대한 평균",
        r"([\d,]+) of ([\d,]+) (\w+) pictures are wrong \((.+)\); all of them:": (
            r"\3 사진 \2장 가운데 \1장이 틀림(\4):"
        ),
        r"([\d,]+) of ([\d,]+) (\w+) pictures are wrong \((.+)\); the (\d+) most confident:": (
            r"\3 사진 \2장 가운데 \1장이 틀림(\4). 가장 확신한 \5장:"
        ),
        r"none of ([\d,]+) (\w+) pictures is wrong": r"\2 사진 \1장 가운데 틀린 것 없음",
        r"all of them: ([\d.]+)": r"전체: \1",
        r"all ([\d,]+) examples: ([\d.]+)": r"샘플 \1개 전체: \2",
        r"the best (\d+)(?: lines)? of (\d+)": r"\2개 가운데 가장 좋은 \1개",
    },
}


def translate(figure: Figure) -> None:
    """Put a figure's labels into the language that is asked for.

    Names of settings stay as they are, and so do the labels of ticks, which are names and numbers.

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
    words, patterns = known(language)
    for label in figure.findobj(Text):
        if said := label.get_text():
            label.set_text(translated(said, words, patterns))
            label.set_fontfamily([font, "DejaVu Sans"])


def installed(names: Sequence[str], anew: bool = False) -> str | None:
    """The first of several fonts that matplotlib knows, or that is there if it looks anew; None if none is."""
    if anew:
        words = {name.split()[-1].lower() for name in names} | {"cjk", "nanum", "malgun"}
        for file in font_manager.findSystemFonts():
            if any(word in Path(file).stem.lower() for word in words):
                font_manager.fontManager.addfont(file)
    there = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in names if name in there), None)


def known(language: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The words and patterns of a language, the project's after the engine's.

    Raises:
        ConfigError: a file that the project names has something else in it.
    """
    words, patterns = dict(WORDS[language]), dict(PATTERNS[language])
    for file in places.labels():
        try:
            held = yaml.safe_load(file.read_text(encoding="utf-8")).get(language) or {}
            added, more = (
                {str(said): str(put) for said, put in (held.get(kind) or {}).items()} for kind in ("words", "patterns")
            )
            for pattern, put in more.items():
                re.sub(pattern, put, "")  # complains of both
        except (OSError, ValueError, AttributeError, yaml.YAMLError, re.error, IndexError) as problem:
            form = f"{language}: {{words: {{…: …}}, patterns: {{…: …}}}}"
            raise ConfigError(f"{file} must hold {form}: {problem}") from problem
        words |= added
        patterns |= more
    return words, patterns


def translated(text: str, words: Mapping[str, str], patterns: Mapping[str, Any]) -> str:
    for pattern, put in patterns.items():
        text = re.sub(pattern, put, text)
    one = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    # A word within a setting's name, such as optim.lr or mlp_sigmoid, is none.
    return re.sub(rf"(?<![\w./-])(?:{one})(?![\w./-]|=)", lambda found: words[found[0]], text)


def span(found: re.Match[str]) -> str:
    """One number that a pattern has found, or the first and the last of several."""
    return "~".join(number for number in found.groups() if number)
