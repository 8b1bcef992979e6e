"""What is wrong with a recipe that only its target can tell, said with the setting."""

import functools

import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy

from encore.config.build import build, known, target_of
from encore.errors import ConfigError
from encore.models.mlp import MLP


def wrapped(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


class Net:
    @wrapped
    def __init__(self, width, depth=1):
        total = width * depth
        if total > 10:
            raise ValueError(f"depth must leave at most 10 units, not {total}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 8, "depth": 2}, "cannot build model from test_build.Net: model.depth must leave at most 10 units"),
        (
            {"width": 8, "dept": 2},
            "cannot build model from test_build.Net: model has no setting dept; did you mean depth?",
        ),
        ({}, "missing 1 required positional argument: 'width'"),
    ],
)
def test_a_setting_that_is_wrong_is_named(settings, message):
    with pytest.raises(ConfigError) as caught:
        build({"_target_": "test_build.Net", **settings}, what="model")
    assert message in str(caught.value)


def test_classes_of_the_packages_that_every_run_uses_need_no_hydra():
    assert known("torch.optim.Adam", {"lr": 0.1}, nested=False) is torch.optim.Adam
    assert known("torchmetrics.classification.MulticlassAccuracy", {}, nested=False) is MulticlassAccuracy


def test_the_engine_s_classes_get_copies_of_their_settings():
    recipe = {"_target_": "encore.models.mlp.MLP", "in_shape": [4], "num_outputs": 2, "widths": [3], "name": "mlp"}
    made = target_of(recipe, "model")
    assert made.func is MLP
    assert made.keywords == {"in_shape": [4], "num_outputs": 2, "widths": [3]}
    assert made.keywords["widths"] is not recipe["widths"]


@pytest.mark.parametrize(
    ("target", "settings", "nested"),
    [
        ("encore.files.os.system", {"command": "true"}, False),
        ("encore.files.subprocess", {}, False),
        ("encore.models.cnn.Tensor", {}, False),
        ("encore.config.build.partial", {}, False),
        ("encore.no.Such", {}, False),
        ("torch.nn.functional.relu", {}, False),
        ("torch.Callable", {}, False),
        ("collections.OrderedDict", {}, False),
        ("encore.models.mlp.MLP", {"widths": "${other}"}, False),
        ("encore.models.mlp.MLP", {"widths": "???"}, False),
        ("encore.models.mlp.MLP", {"_args_": [1]}, False),
        ("encore.models.mlp.MLP", {"norm": {"_target_": "torch.nn.BatchNorm1d"}}, True),
    ],
)
def test_everything_else_is_left_to_hydra(target, settings, nested):
    assert known(target, settings, nested) is None
