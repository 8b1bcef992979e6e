"""What differs from the defaults, and the names that it gives to runs."""

import pytest

from encore.config import defaults, places
from encore.config.compose import config_from
from encore.config.naming import LONGEST, run_name, settings_name

TAUGHT = ["task=distillation", "task.teacher.file=x"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([], ""),
        (["model=mlp_wide", "optim=sgd", "scheduler=none", "seed=3", "threads=1", "trainer=cpu", "logger=csv"], ""),
        (["optim.lr=3e-3", "model.widths=[64]"], "lr0.003-w64"),
        (["model.widths=[64,32]", "data.batch_size=all", "optim.lr=1e-5"], "lr1e-05-w64x32-b_all"),
        (["scheduler=cosine", "augment=flip_crop", "trainer.max_epochs=5"], "e5-cosine-flip_crop"),
        (["callbacks=early_stopping", "callbacks.early_stopping.patience=3"], "early_stopping-patience3"),
        (["data.keep={3: 0.5}"], "keep.3_0.5"),
        ([*TAUGHT, "task.teacher.net.widths=[32]"], "distillation-file_x-widths32"),
        ([*TAUGHT, "model@task.teacher.net=cnn"], "distillation-file_x-name_cnn"),
        (["callbacks.gap=null", "callbacks.speed=null"], ""),
        (["optim=schedule_free", "optim.warmup_steps=10"], "warmup_steps10"),
        (["model.norm=batch", "data.shuffle=false"], "shuffle_false-norm_batch"),
        (["data=npz", "data.path=a b", "data.num_classes=3", "data.shape=[12]"], "num_classes3-path_a_b-shape12"),
        (["experiment=exam_scores_minmax"], "e20-normalize_minmax-regression-init_seed1-init_skip48"),
    ],
)  # fmt: skip
def test_a_run_is_named_after_what_differs_from_the_defaults_of_its_parts(words, name):
    assert settings_name(config_from(words)) == name


def test_a_recipe_has_the_name_of_the_same_settings_typed_by_hand():
    recipe = config_from(["experiment=fashion_mnist_mlp"])
    words = ["data=fashion_mnist", "optim=adamw", "scheduler=cosine", "data.normalize=none", "trainer.max_epochs=10"]
    typed = config_from([*words, "optim.lr=2e-3"])
    assert (run_name(recipe), settings_name(recipe)) == (run_name(typed), settings_name(typed))


def test_a_long_name_is_cut_between_settings_and_says_how_many_are_left_out():
    words = [f"+trainer.limit_{split}_batches=7" for split in ("train", "val", "test")]
    name = settings_name(config_from([*words, "optim.lr=0.01"]))
    assert name == "lr0.01-limit_test_batches7-limit_train_batches7+1"
    assert len(name) <= LONGEST + 3


def test_a_project_s_own_defaults_are_defaults(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "default.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /scheduler: cosine\ntrainer: {max_epochs: 7}\n"
    )
    monkeypatch.setenv(places.VARIABLE, str(tmp_path))
    assert settings_name(config_from([])) == ""
    assert settings_name(config_from(["trainer.max_epochs=30"])) == "e30"


def test_a_broken_config_that_nobody_chose_gets_in_nobody_s_way(tmp_path, monkeypatch):
    (tmp_path / "augment").mkdir()
    (tmp_path / "augment" / "broken.yaml").write_text("a: [")
    (tmp_path / "augment" / "endless.yaml").write_text("defaults: [again]\n")
    (tmp_path / "augment" / "again.yaml").write_text("defaults: [endless]\n")
    monkeypatch.setenv(places.VARIABLE, str(tmp_path))
    assert defaults.changed(config_from(["augment=noise", "augment.noise.std=0.5"])) == {
        "augment": ["noise"],
        "augment.noise.std": 0.5,
    }
