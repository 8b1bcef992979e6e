"""Texts arrive as they are, groups can be turned off, and words that Hydra cannot read are answered with the remedy."""

import os

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from encore.config.combinations import combinations
from encore.config.compose import config_from
from encore.config.words import literal, words
from encore.errors import ConfigError

PATHS = [
    "사진",
    "a=b",
    "two words",
    "my [best] data",
    "a,b",
    "{x}",
    "c:\\new\\",
    "it's",
    "a(b)",
    "~/data",
    "#1",
    "1e3",
    "null",
]


def refusal(*overrides):
    with pytest.raises(ConfigError) as caught:
        config_from(overrides)
    return str(caught.value)


@pytest.mark.parametrize("path", PATHS)
def test_any_path_arrives_from_python(path):
    cfg = config_from({"data": "images", "data.root": path, "data.num_classes": 2, "data.shape": [1, 8, 8]})
    assert cfg["data"]["root"] == os.path.expanduser(path) == cfg["data"]["train"]["root"]  # noqa: PTH111 (a text stays a text)


# `${` is an interpolation wherever it is written, and a line is a line.
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).filter(lambda text: "$" not in text)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(value=TEXTS | st.lists(TEXTS, max_size=3) | st.dictionaries(st.from_regex("[a-z]{1,3}", fullmatch=True), TEXTS))
def test_any_text_survives_hydra_s_grammar(value):
    assert OverridesParser.create().parse_overrides([f"key={literal(value)}"])[0].value() == value


@pytest.mark.parametrize("path", ["사진", "a=b", "my [best] data", "a(b)"])
def test_the_message_shows_how_to_quote_on_the_command_line(path):
    said = refusal(f"data_dir={path}")
    assert f"data_dir={path} cannot be read" in said
    assert f"\"data_dir='{path}'\"" in said
    assert config_from([f"data_dir='{path}'"])["data_dir"] == path


@pytest.mark.parametrize(
    ("off", "group", "nothing"),
    [
        *[(word, "callbacks", {}) for word in ("callbacks=null", "callbacks=none", "callbacks=[]", "~callbacks")],
        *[(word, "logger", {}) for word in ("logger=null", "logger=none", "logger=[]", "~logger", "logger=[null]")],
        *[(word, "augment", {}) for word in ("augment=null", "augment=[]", "~augment", "augment=[null]")],
        *[(word, "scheduler", {"name": "none"}) for word in ("scheduler=null", "~scheduler", "scheduler=none")],
    ],
)
def test_a_group_is_turned_off_however_it_is_said(off, group, nothing):
    assert config_from([off])[group] == nothing


@pytest.mark.parametrize("group", ["callbacks", "logger", "augment", "scheduler"])
def test_a_group_is_turned_off_from_python(group):
    assert config_from({group: None}) == config_from({group: "none"})


def test_groups_without_a_default_can_be_none():
    assert config_from(["experiment=null", "regulariser=null", "debug=null"]) == config_from([])


def test_one_of_several_options_is_left_out():
    assert list(config_from(["logger=[csv,null]"])["logger"]) == ["csv"]


def test_a_group_is_turned_off_in_some_runs_of_a_sweep():
    overrides = OverridesParser.create().parse_overrides(["scheduler=null,step", "seed=1"])
    assert combinations(overrides) == [("scheduler=[]", "seed=1"), ("scheduler=step", "seed=1")]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("data=null", "data=null: a run needs one; choose from arrays, cifar10"),
        ("model=null", "none is for a task that brings its own"),
        ("data=", "there is no data=; choose from arrays, cifar10"),
        ("data=/etc/passwd", "there is no data=/etc/passwd; choose from arrays, cifar10"),
        ("model=3", "there is no model=3; choose from anomaly_autoencoder, "),
        ("logger=true", "there is no logger=true; "),
        ("=3", "=3 is not of the form SETTING=VALUE"),
        ("optim.lr", "optim.lr is not of the form SETTING=VALUE"),
        ("seed=" + "[" * 1000 + "1" + "]" * 1000, "nested too deeply"),
        ("seed=" + "[" * 60 + "1" + "]" * 60, "seed: a value is nested more than 50 levels deep"),
        ("seed=${nope}", "seed: Interpolation key 'nope' not found"),
        ("seed=${oc.env:NOPE}", "seed: KeyError raised while resolving interpolation: \"Environment variable 'NOPE'"),
        ("seed=${seed}", "seed: Recursive interpolation detected"),
        ("hydra.run.dir=/tmp/x", "hydra.run.dir has no effect: a run's folder is named by"),
        ("hydra.output_subdir=x", "hydra.output_subdir has no effect: the config is in each run's config.yaml"),
        ("+hydra.job.chdir=true", "hydra.job.chdir has no effect"),
        ("train=False", "`encore evaluate RUN` tests a finished run"),
        ("+anything=1", "there is no setting anything; values of your own go under vars"),
        ("task.metrics={x:{_target_:a.b}}", "there is no setting task.metrics.x; "),
        ("data.root=photos", "there is no setting data.root; data=images has it"),
        ("trainer.limit_train_batches=2", "the Trainer takes it: +trainer.limit_train_batches=2 adds it"),
        ("trainer={limit_train_batches: 2}", "the Trainer takes it: +trainer.limit_train_batches=… adds it"),
        ("trainer.limit_trian_batches=2", "did you mean trainer.limit_train_batches?"),
        ("optim.amsgrad=true", "optim=adam has it, and +optim.amsgrad=true sets it"),
        ("callbacks.early_stopping.patience=3", "callbacks.early_stopping.patience; callbacks=early_stopping has it"),
        (
            "+trainer.limit_train_batches='2'",
            "limit_train_batches='2': must be a whole number, at least 0, or null; '2' in",
        ),
        ("optim.lr='1e-3'", "optim.lr='1e-3': must be a number greater than 0; '1e-3' in quotes is a text"),
        ("+optim.amsgrad='true'", "optim.amsgrad='true': must be one of True, False; 'true' in quotes is a text"),
        ("optim.lr=abc", "optim.lr=abc: must be a number greater than 0"),
        ("model.widen_factor=3", "there is no setting model.widen_factor; model=wide_resnet has it"),
    ],
)
def test_what_cannot_be_is_answered_with_the_remedy(word, message):
    assert message in refusal(word)


@pytest.mark.parametrize(
    ("optim", "setting", "other"),
    [("adagrad", "eps", "adam"), ("rmsprop", "eps", "adam"), ("rmsprop", "momentum", "momentum")],
)
def test_a_setting_that_only_another_option_states_can_still_be_added(optim, setting, other):
    said = refusal(f"optim={optim}", f"optim.{setting}=0.5")
    assert f"optim={other} has it, and +optim.{setting}=0.5 sets it if your optim takes it" in said
    assert config_from([f"optim={optim}", f"+optim.{setting}=0.5"])["optim"][setting] == 0.5


def test_hydra_s_own_reruns_are_answered(command):
    answer = command("train.py", "--experimental-rerun", "x.pickle")
    assert answer.returncode == 1
    assert answer.stderr == "error: --experimental-rerun is not for runs of Encore: " + (
        "`encore reproduce RUN` runs a recorded run again and compares\n"
    )


def test_words_are_left_alone():
    given = [
        "optim.lr=0.1",
        "-m",
        "model=mlp,cnn",
        "~trainer.tf32",
        "+vars.x=null",
        "experiment=digits_mlp",
        "--cfg",
        "job",
    ]
    assert words(given) == given
