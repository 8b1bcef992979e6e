"""Groups hold recipes and recipes name what they build: what does not is named, before anything else is looked at."""

import pytest

from encore.config.compose import config_from
from encore.errors import ConfigError


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+callbacks.foo=5", "callbacks.foo=5: must be a recipe, {_target_: package.Class, …}, or null"),
        ("callbacks.norms=text", "callbacks.norms=text: must be a recipe"),
        ("callbacks.norms=false", "callbacks.norms=false: must be a recipe"),
        ("+callbacks.foo.every=5", "callbacks.foo={'every': 5}: must be a recipe"),
        ("+logger.x=5", "logger.x=5: must be a recipe"),
        ("+augment.x=5", "augment.x=5: must be a recipe"),
        ("+augment.x=[1]", "augment.x=[1]: must be a recipe"),
        ("task.metrics.accuracy=5", "task.metrics.accuracy=5: must be a recipe"),
        ("task.metrics=5", "task.metrics=5: must be null, or recipes by name"),
        ("data.train=null", "data.train=null: must be settings by name"),
        ("data.train._target_=5", "data.train._target_=5: must be the dotted name of a class or function"),
        ("data.train._target_=load_digits", "data.train._target_=load_digits: must be the dotted name"),
        ("~data.train._target_", "data.train={}: must be a recipe, with a _target_"),
        ("data.sha256=5", "data.sha256=5: must be settings by name"),
        ("task._target_=null", "task._target_=null: must be the dotted name"),
        ("logger.csv._target_=[1]", "logger.csv._target_=[1]: must be the dotted name"),
        ("claims=5", "claims=5: must be a list"),
        ("threads=2147483648", "threads=2147483648: must be a whole number, from 1 to 4096"),
        ("data.name=" + "x" * 101, "must be a name of at most 100"),
    ],
)
def test_what_has_not_the_form_of_a_config(override, message):
    with pytest.raises(ConfigError) as caught:
        config_from([override])
    assert message in str(caught.value)


def test_names_that_are_too_long_together_for_a_folder():
    with pytest.raises(ConfigError, match="together name the run's folder: at most 255 bytes"):
        config_from({"data.name": "사" * 60, "model.name": "진" * 60})


@pytest.mark.parametrize("path", ["callbacks.norms", "logger.csv", "task.metrics.accuracy"])
def test_one_part_is_taken_away(path):
    group, _, name = path.rpartition(".")
    node = config_from({path: None})
    for key in group.split("."):
        node = node[key]
    assert node[name] is None
