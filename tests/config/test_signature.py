"""What a target takes, by its source."""

import inspect
import os

import pytest

from encore.config.build import locate
from encore.config.signature import signature


@pytest.mark.parametrize(
    "target",
    [
        "encore.models.mlp.MLP",
        "encore.models.resnet.ResNet18",
        "encore.data.cifar.CIFAR100",
        "encore.optim.cosine.cosine",
        "encore.callbacks.checkpoints.Checkpoints",
        "encore.callbacks.learning_rate.LearningRate",
        "encore.loggers.tensorboard.TensorBoard",
        "torch.optim.AdamW",
        "torch.optim.lr_scheduler.OneCycleLR",
        "sklearn.datasets.load_digits",
        "pytorch_lightning.Trainer",
        "pytorch_lightning.callbacks.EarlyStopping",
        "torchvision.datasets.MNIST",
    ],
)
def test_what_the_source_says_is_what_python_says(target):
    known = signature(target)
    named = [each for each in inspect.signature(locate(target)).parameters.values() if each.kind != each.VAR_POSITIONAL]
    assert list(known.parameters) == [each.name for each in named if each.kind != each.VAR_KEYWORD]
    assert known.open == any(each.kind == each.VAR_KEYWORD for each in named)


def test_keyword_arguments_that_a_base_class_gets_are_its_own():
    known = signature("encore.tasks.classification.Classification")
    assert not known.open
    assert {"label_smoothing", "weight_noise", "init_seed"} <= known.parameters.keys()


SOURCE = """
import functools
from dataclasses import dataclass
from elsewhere import Gone, decorate


class Base:
    def __init__(self, a, b=1, *, c=2):
        if a < 1:
            raise ValueError(f"a must be at least 1, not {a}")


class Given(Base):
    def __init__(self, d, **rest):
        super().__init__(a=d, **rest)


class Looks(Base):
    def __init__(self, d, **rest):
        rest.pop("e", None)
        super().__init__(d, **rest)


class Inherits(Base):
    pass


class Unknown(Gone):
    pass


class Mixin:
    def __init__(self, **rest):
        super().__init__(**rest)


class Mixed(Mixin, Base):
    pass


class Meta(metaclass=type):
    def __init__(self, a): ...


@decorate
class Decorated:
    def __init__(self, a): ...


@dataclass
class Table:
    a: int


@decorate
def decorated(a): ...


made = functools.partial(Base, a=1)

if made:
    def either(a): ...
else:
    def either(b): ...
"""


@pytest.mark.parametrize(
    ("name", "takes", "open_"),
    [
        ("Base", ["a", "b", "c"], False),
        ("Given", ["d", "b", "c"], False),
        ("Looks", ["d"], True),
        ("Inherits", ["a", "b", "c"], False),
    ],
)
def test_classes(tmp_path, monkeypatch, name, takes, open_):
    (tmp_path / "own_classes.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    known = signature(f"own_classes.{name}")
    assert (list(known.parameters), known.open) == (takes, open_)


@pytest.mark.parametrize(
    "name", ["Unknown", "Mixed", "Meta", "Decorated", "Table", "decorated", "made", "either", "Nothing", "Base.method"]
)
def test_what_cannot_be_told_is_left_to_python(tmp_path, monkeypatch, name):
    (tmp_path / "own_classes.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    assert signature(f"own_classes.{name}") is None


def test_an_edited_file_tells_anew_the_class_s_own_and_its_base_s(tmp_path, monkeypatch):
    own, base = tmp_path / "edited_own.py", tmp_path / "edited_base.py"
    base.write_text("class Base:\n    def __init__(self, a): ...\n")
    own.write_text("from edited_base import Base\nclass Own(Base): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(signature("edited_own.Own").parameters) == ["a"]
    base.write_text("class Base:\n    def __init__(self, b): ...\n")
    os.utime(base, ns=(1, 1))
    assert list(signature("edited_own.Own").parameters) == ["b"]
    own.write_text("class Own:\n    def __init__(self, c): ...\n")
    os.utime(own, ns=(1, 1))
    assert list(signature("edited_own.Own").parameters) == ["c"]
    own.unlink()
    assert signature("edited_own.Own") is None
