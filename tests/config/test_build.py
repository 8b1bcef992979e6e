"""What is wrong with a recipe that only its target can tell, said with the setting."""

import functools

import pytest

from encore.config.build import build
from encore.errors import ConfigError


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
