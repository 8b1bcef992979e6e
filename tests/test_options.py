"""Every option of every group composes, builds and trains; and so does every pair of model, optimiser and schedule."""

import functools
import itertools
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from PIL import Image

import encore
from encore.analysis.claims import claim
from encore.config import compose, places
from encore.config.check import check
from encore.config.compose import composed, config_from

TWO_STEPS = {  # on the CPU, whatever else is there; tests/test_run.py asks for what is not
    "debug": "fast",
    "trainer.accelerator": "cpu",
    "threads": 1,
    "data.batch_size": 8,
    "callbacks.progress": None,
    "data_dir": "data",
}
SMALL = {"wide_resnet": {"model.depth": 10, "model.widen_factor": 1}}
# What an option needs beside its name.
NEEDS = {
    **{("augment", name): {"data.normalize": "minmax"} for name in ("rand_augment", "aug_mix")},
    ("data", "images"): {"data.root": "photos", "data.num_classes": 2, "data.shape": [1, 8, 8]},
    ("data", "npz"): {"data.path": "own.npz", "data.num_classes": 2, "data.shape": [6]},
    ("data", "exam_scores"): {"task": "regression", "data.batch_size": 3},
    ("data", "softmax_toy"): {"data.batch_size": 4},
    ("data", "thermometer"): {"task": "regression"},
    ("data", "thumbtack"): {"task": "likelihood", "model": "proportion", "data.batch_size": 1},
    **{("data", f"gate_{name}"): {"data.batch_size": 2} for name in ("and", "or", "xor")},
    ("model", "proportion"): {"task": "likelihood", "data": "thumbtack", "data.batch_size": 1},
    ("task", "binary"): {"data": "gate_xor", "data.batch_size": 2},
    ("task", "likelihood"): {"data": "thumbtack", "model": "proportion", "data.batch_size": 1},
    ("task", "regression"): {"data": "exam_scores", "data.batch_size": 3},
    ("data", "mnist"): {"data.sha256": None},
    ("data", "fashion_mnist"): {"data.sha256": None},
    ("sweep", "training_features"): {"data.sha256": None},
    ("trainer", "ddp"): {
        "trainer.devices": 1,
        "trainer.strategy": "auto",
    },  # tests/test_run.py runs two processes
    ("trainer", "fsdp"): {
        "trainer.devices": 1,
        "trainer.strategy": "auto",
    },  # tests/runner/test_distributed.py runs two processes
    ("debug", "overfit"): {"trainer.max_epochs": 2},
    ("debug", "profile"): {"trainer.max_epochs": 1},
}
# Optimiser steps that are not two.
STEPS = {"overfit": 2, "profile": 158, "thumbtack": 1, "proportion": 1, "likelihood": 1}
ELSEWHERE = ("experiment",)  # tests/test_experiments.py
# Options for parts of a user's own, and those that ask for data of their own kind.
OF_THEIR_OWN = {
    **{("data", name): "tests/data" for name in ("arrays", "huggingface", "masks", "packed", "table")},
    **{("task", name): "tests/tasks/test_supervised.py" for name in ("autoencoder", "multilabel", "segmentation")},
    ("task", "distillation"): "tests/course/test_efficient.py",
    ("optim", "schedule_free"): "tests/optim/test_newer.py",
    **{(group, "lightning"): "tests/runner/test_any_task.py" for group in ("data", "task")},
    **{(group, "none"): "tests/runner/test_any_task.py" for group in ("model", "optim")},
}
SERVICES = ("aim", "comet", "mlflow", "wandb")  # tests/loggers/test_foreign_loggers.py


def options(group):
    return sorted(file.stem for file in (places.engine() / group).glob("*.yaml"))


def chosen(group):
    return [option for option in options(group) if (group, option) not in OF_THEIR_OWN]


GROUPS = sorted(folder.name for folder in places.engine().iterdir() if folder.is_dir())
EVERY = [
    (group, option)
    for group in GROUPS
    if group not in ELSEWHERE
    for option in options(group)
    if option not in SERVICES and (group, option) not in OF_THEIR_OWN
]


@pytest.mark.sampled(10)
@pytest.mark.parametrize(("group", "option"), EVERY, ids=lambda value: value)
def test_every_option_trains_two_steps(group, option, tmp_path, monkeypatch, mnist_files, cifar_files):
    monkeypatch.chdir(tmp_path)
    settings = {**TWO_STEPS, **SMALL.get(option, {}), group: option, **NEEDS.get((group, option), {})}
    if group == "data":
        make_files(option, mnist_files, cifar_files)
    if (group, option) == ("sweep", "training_features"):  # which is of Fashion-MNIST
        make_files("fashion_mnist", mnist_files, cifar_files)
    if (group, option) == ("callbacks", "none"):  # without the one that TWO_STEPS turns off
        del settings["callbacks.progress"]
    result = encore.run(settings)
    assert result.status == "finished"
    assert result.steps == STEPS.get(option, 2)


def make_files(option, mnist_files, cifar_files):
    """Small files of a dataset's format, in ./data."""
    if option in ("mnist", "fashion_mnist"):
        mnist_files({"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[option])
    elif option.startswith("cifar"):
        cifar_files("CIFAR10" if option == "cifar10" else "CIFAR100")
    elif option == "images":
        for number in range(40):
            folder = Path("photos") / "ab"[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("L", (9, 9), number).save(folder / f"{number}.png")
    elif option == "npz":
        np.savez("own.npz", x=np.random.default_rng(0).normal(size=(40, 6)), y=np.arange(40) % 2)


def pairwise(*axes):
    """Few combinations in which every pair of values of two axes occurs."""
    missing = {
        ((i, a), (j, b)) for i, j in itertools.combinations(range(len(axes)), 2) for a in axes[i] for b in axes[j]
    }
    chosen = []
    while missing:
        best = max(itertools.product(*axes), key=lambda row: len(pairs(row) & missing))
        missing -= pairs(best)
        chosen.append(best)
    return chosen


def pairs(row):
    return set(itertools.combinations(enumerate(row), 2))


COMBINATIONS = pairwise(chosen("model"), chosen("optim"), options("scheduler"))


def test_the_combinations_hold_every_pair():
    covered = set().union(*(pairs(row) for row in COMBINATIONS))
    models, optims, schedulers = (chosen(group) for group in ("model", "optim", "scheduler"))
    expected = len(models) * len(optims) + len(models) * len(schedulers) + len(optims) * len(schedulers)
    assert len(covered) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("model", "optim", "scheduler"), COMBINATIONS, ids=lambda value: value)
def test_every_pair_trains_two_steps(model, optim, scheduler, tmp_path):
    settings = {**TWO_STEPS, **SMALL.get(model, {}), "model": model, "optim": optim, "scheduler": scheduler}
    settings |= NEEDS.get(("model", model), {}) | (
        {"scheduler.monitor": "train/loss"} if scheduler == "plateau" else {}
    )
    quick = {"logger": "none", "callbacks.checkpoint": None}  # large models' checkpoints are most of the time
    result = encore.run({**settings, **quick, "runs_dir": str(tmp_path)})
    assert result.status == "finished"
    assert result.steps == STEPS.get(model, 2)


@pytest.mark.sampled(10)
@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_composes_and_claims_what_can_be(experiment):
    cfg = config_from({"experiment": experiment})
    check(cfg)
    assert claim.problems(cfg) == []


@pytest.mark.sampled(4)
@pytest.mark.parametrize("sweep", options("sweep"))
def test_the_first_and_the_last_run_of_every_sweep_compose(sweep):
    axes = yaml.safe_load((places.engine() / "sweep" / f"{sweep}.yaml").read_text())["hydra"]["sweeper"]["params"]
    parsed = OverridesParser.create().parse_overrides([f"{setting}={values}" for setting, values in axes.items()])
    discrete = [[*axis.sweep_string_iterator()] for axis in parsed if axis.is_discrete_sweep()]
    names = [axis.key_or_group for axis in parsed if axis.is_discrete_sweep()]
    for place in (0, -1):
        check(config_from([f"sweep={sweep}", *(f"{name}={v[place]}" for name, v in zip(names, discrete, strict=True))]))


@functools.cache
def settings_of(group, option):
    """The settings that an option has by itself."""
    needs = NEEDS.get((group, option), {})
    return config_from({group: [option] if group == "augment" else option, **needs})[group].keys()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
@pytest.mark.parametrize("experiment", options("experiment"))
def test_any_part_of_an_experiment_can_be_swapped_alone(experiment, step):
    """An experiment changes only what every option has, so nothing of it is left over in another."""
    parts = {group: chosen(group) for group in ("model", "optim", "scheduler", "augment")}
    first = options("experiment").index(experiment) % step
    for turn in range(first, max(map(len, parts.values())), step):  # all: each option of each part, once or more
        swap = {group: names[turn % len(names)] for group, names in parts.items()}
        known = {"scheduler.monitor": "train/loss"} if swap["scheduler"] == "plateau" else {}  # tables have no other
        words = {**swap, "augment": [swap["augment"]], **known}
        # Composed alone: a convolutional net of a table is refused, whatever is left over.
        swapped = OmegaConf.to_container(composed(compose.words({"experiment": experiment, **words})), resolve=True)
        for group, option in swap.items():
            assert swapped[group].keys() == settings_of(group, option), (group, option)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("model", sorted({*chosen("model")} - {"proportion"}))
def test_models_take_their_sizes_from_the_data(model):
    cfg = config_from({"model": model, "data": "cifar100"})["model"]
    assert (cfg["in_shape"], cfg["num_outputs"]) == ([3, 32, 32], 100)
