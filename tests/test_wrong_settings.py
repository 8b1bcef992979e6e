"""Every setting × wrong kinds of value: a message and an exit code before the first step, and nothing left on disk.

What is right by chance trains for an epoch. All in one process, through composing, checking, building and preflight.
"""

import itertools
import os
import random
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from encore.config.compose import composed, explain, resolved
from encore.config.words import words
from encore.errors import ConfigError, Diverged, EncoreError, InputError, Pruned
from encore.runner.execute import execute

QUICK, ALL, AT_ONCE = 48, int(os.environ.get("ENCORE_WRONG_SETTINGS", "2400")), 100  # cases

TINY = {
    "threads": 1,
    "trainer.accelerator": "cpu",
    "debug": "fast",
    "data.fraction": 0.1,
    "data_dir": "data",
    "callbacks.progress": None,
}
SMALL = {"data.batch_size": 2, "data.fraction": 1}
# Between them they have most settings of the engine.
BASES: list[dict[str, Any]] = [
    {"callbacks": "early_stopping", "scheduler": "plateau", "augment": ["crop", "mixup"]},
    {"model": "cnn", "optim": "sgd", "scheduler": "one_cycle", "augment": ["random_erasing", "noise"]},
    {"model": "wide_resnet", "model.depth": 10, "model.widen_factor": 1, "augment": ["cutmix", "flip_crop"]},
    {"task": "regression", "data": "exam_scores", "model": "linear", "scheduler": "cosine", **SMALL},
    {"task": "binary", "data": "gate_xor", "optim": "nesterov", "scheduler": "exponential", **SMALL},
    {"model": "softmax", "optim": "adagrad", "scheduler": "inverse_time"},
    {"model": "mlp_sigmoid", "optim": "adamw", "scheduler": "step"},
    {"model": "linear", "optim": "rmsprop", "scheduler": "multi_step"},
]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


WRONG: dict[str, Any] = {
    "null": None, "empty text": "", "text": "abc", "other letters": "사진 = [x]", "NUL": "a\0b", "long text": "x" * 300,
    "empty list": [], "list of null": [None], "empty dict": {}, "dict": {"a": 1},
    "negative": -1, "zero": 0, "part": 0.3, "three": 3, "nan": float("nan"), "infinite": float("inf"), "huge": 1e30,
    "tiny": 1e-30, "63 bits": 2**63, "true": True,
    "no such setting": "${nope}", "no such variable": "${oc.env:NOPE}", "no such resolver": "${nope:1}", "open": "${",
    "itself": "${SETTING}", "deep": nested(1000), "rather deep": nested(100),
    "target no text": {"_target_": 5}, "another part": {"_target_": "torch.nn.ReLU"},
    "no such part": {"_target_": "no.such"}, "a function": {"_target_": "os.getcwd"},
}  # fmt: skip


class EndsEarly(pl.Callback):
    """Ends after an epoch what was asked to train for many."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.max_epochs != 1:
            raise Pruned("seen enough")


def base(number: int) -> DictConfig:
    return composed(words({**TINY, **BASES[number]}))


def settings_of(number: int) -> list[str]:
    def below(node: Any, before: str) -> list[str]:
        if not isinstance(node, dict):
            return []
        return [path for key, value in node.items() for path in (before + key, *below(value, f"{before}{key}."))]

    return below(OmegaConf.to_container(base(number), resolve=False), "")


def generated() -> list[tuple[int, str, str]]:
    """Every setting of every base with each kind of value, in an order that is random and always the same."""
    seen: set[str] = set()
    cases = []
    for number in range(len(BASES)):
        target = {name: str(BASES[number].get(name)) for name in ("model", "optim", "scheduler", "task", "data")}
        for path in settings_of(number):
            key = path + target.get(path.partition(".")[0], "")
            if key not in seen and path != "runs_dir":
                cases += [(number, path, kind) for kind in WRONG]
            seen.add(key)
    random.Random(0).shuffle(cases)
    return cases


def shown(value: Any) -> str:
    try:
        return repr(str(value)[:80])
    except RecursionError:
        return "too deep to be shown"


def problem_with(number: int, changes: dict[str, Any], folder: Path) -> str | None:
    """What is not right about how a config with changed settings ends; None if all is."""
    cfg = base(number) if number not in BASE else BASE[number].copy()
    BASE.setdefault(number, cfg.copy())
    OmegaConf.set_struct(cfg, False)
    said = ", ".join(f"{path}={shown(value)}" for path, value in changes.items())
    try:
        try:
            for path, value in changes.items():
                OmegaConf.update(cfg, path, value, merge=False)
        except (OmegaConfBaseException, RecursionError, ValueError) as mistake:  # as Hydra would, composing
            raise ConfigError(explain(mistake)) from mistake
        execute({**resolved(cfg), "runs_dir": str(folder / "runs")}, lambda: [EndsEarly()], silent=True)
    except (ConfigError, InputError) as problem:
        left = [file for file in folder.rglob("*") if file.is_file()]
        return f"{said}: left {left} ({problem})" if left else None if str(problem) else f"{said}: no message"
    except (Pruned, Diverged):
        return None
    except EncoreError as problem:
        return f"{said}: exit code {problem.code}: {problem}"
    except Exception as problem:
        return f"{said}: {type(problem).__name__}: {problem}"
    return None


BASE: dict[int, DictConfig] = {}


def problems(cases: list[tuple[int, str, str]], tmp_path: Path) -> list[str]:
    found = []
    for place, (number, path, kind) in enumerate(cases):
        folder = tmp_path / str(place)
        folder.mkdir()
        os.chdir(folder)
        value = f"${{{path}}}" if kind == "itself" else WRONG[kind]
        if problem := problem_with(number, {path: value}, folder):
            found.append(problem)
    return found


@pytest.fixture(autouse=True)
def where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_a_few_wrong_settings(tmp_path):
    assert problems(generated()[:QUICK], tmp_path) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(QUICK, ALL, AT_ONCE))
def test_thousands_of_wrong_settings(tmp_path, first):
    assert problems(generated()[first : min(first + AT_ONCE, ALL)], tmp_path) == []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab_", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=4,
)
COUNTER = itertools.count()


def pair(data: st.DataObject, folder: Path) -> None:
    """Two settings with any values at once."""
    number = data.draw(st.sampled_from(range(len(BASES))))
    paths = [path for path in PATHS.setdefault(number, settings_of(number)) if path != "runs_dir"]
    chosen = data.draw(st.lists(st.sampled_from(paths), min_size=2, max_size=2, unique=True))
    place = folder / str(next(COUNTER))
    place.mkdir()
    os.chdir(place)
    assert problem_with(number, {path: data.draw(VALUES) for path in chosen}, place) is None


PATHS: dict[int, list[str]] = {}
ALWAYS = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=12, **ALWAYS)
@given(data=st.data())
def test_a_few_pairs_of_any_values(tmp_path, data):
    pair(data, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=ALL // 6, **ALWAYS)
@given(data=st.data())
def test_hundreds_of_pairs_of_any_values(tmp_path, data):
    pair(data, tmp_path)
