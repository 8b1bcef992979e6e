import pytest

from encore.config.compose import composed, config_from, literal, words
from encore.errors import ConfigError


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.1,
        1e-10,
        "relu",
        "a b",
        "it's",
        "c:\\x",
        "ends\\",
        [1, 2],
        ["a b"],
        {"mean": [0.5], "std": [1.0]},
    ],
)
def test_values_survive_the_command_line(value):
    cfg = composed(words({"data.normalize": value}))
    assert cfg["data"]["normalize"] == value


def test_numpy_s_numbers_are_numbers():
    import numpy as np

    cfg = config_from({"optim.lr": np.float64(0.1), "seed": np.int64(3), "model.widths": np.array([8, 4])})
    assert (cfg["optim"]["lr"], cfg["seed"], cfg["model"]["widths"]) == (0.1, 3, [8, 4])


def test_an_empty_text_is_quoted():
    assert literal("") == "''"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lrr=1", "did you mean optim.lr?"),
        ("optim.weight_deacy=1", "did you mean optim.weight_decay?"),
        ("modle=mlp", "did you mean model?"),
        ("model=mpl", "did you mean mlp?"),
        ("model=foo", "choose from anomaly_autoencoder, "),
        ("augment=[flip_crop,mixpu]", "did you mean mixup?"),
        ("optim.lr=[1", "no viable alternative"),
        ("data=images", "is not set"),
    ],
)
def test_mistakes_are_explained(override, message):
    with pytest.raises(ConfigError) as caught:
        config_from([override])
    assert message in str(caught.value)


def test_several_options_of_a_group():
    assert list(config_from({"augment": ["flip_crop", "random_erasing"]})["augment"]) == [
        "flip",
        "crop",
        "random_erasing",
    ]


def test_a_callback_is_taken_away_by_name():
    assert "norms" not in config_from(["~callbacks.norms"])["callbacks"]


def test_composing_leaves_hydra_as_it_was():
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from encore.config import places

    with initialize_config_dir(str(places.engine()), version_base="1.3"):
        before = GlobalHydra.instance().hydra
        config_from({})
        assert GlobalHydra.instance().hydra is before


@pytest.mark.parametrize("option", ["", "/etc/passwd", "images/x"])
def test_an_option_that_looks_like_a_path_is_answered_with_the_choices(option):
    with pytest.raises(ConfigError, match=r"there is no data=.*choose from arrays, cifar10, "):
        config_from([f"data={option}"])
