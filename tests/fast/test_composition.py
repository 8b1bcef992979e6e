"""A sweep's configs are those that Hydra composes, and are composed once where they differ in values alone."""

import pickle

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from encore.config.compose import hydra_here
from encore.fast.composition import Loader

JOBS = [
    ["seed=1"],
    ["seed=2", "optim.lr=1e-3", "model.widths=[64,32]", "data.normalize='none'"],
    ["model=cnn", "seed=3"],
    ["model=softmax,", "seed=3"],
    ["seed=4", "+vars.width=64", "model.widths=['${vars.width}']"],
    ["seed=5", "vars={width: 7}", "+vars.depth=2"],
    ["+optim.betas=[0.9,0.99]", "optim.lr=${optim.weight_decay}", "hydra.sweep.dir=elsewhere"],
    ["++trainer.max_epochs=3", "trainer.max_epochs=4", "~callbacks.gap"],
    ["augment=[flip_crop_small,noise]", "augment.noise.std=0.5", "seed=6"],
    ["data.fold=null", "monitor.metric=val/accuracy", "scheduler=cosine", "scheduler.final=0.1"],
    ["optim.lrr=1"],
    ["model=none_such", "seed=1"],
    ["seed=[1"],
]


def composed(loader, master, job):
    try:
        config = loader.load_sweep_config(master, list(job))
    except HydraException as problem:
        return str(problem)
    return OmegaConf.to_yaml(config)


@pytest.fixture
def hydra():
    with hydra_here() as plain:
        yield plain, plain.load_configuration("train", ["trainer=cpu"], RunMode.MULTIRUN)


def test_each_config_is_that_of_hydra(hydra):
    plain, master = hydra
    ours = Loader(plain)
    for job in (*JOBS, *JOBS[:3]):
        assert composed(ours, master, job) == composed(plain, master, job), job


def test_values_are_set_in_a_copy(hydra, monkeypatch):
    plain, master = hydra
    ours, asked = Loader(plain), []
    whole = ConfigLoaderImpl.load_sweep_config
    monkeypatch.setattr(
        ConfigLoaderImpl, "load_sweep_config", lambda self, *given: asked.append(given) or whole(self, *given)
    )
    seeds = [ours.load_sweep_config(master, [f"seed={seed}"]).seed for seed in range(5)]
    assert seeds == list(range(5))
    assert len(asked) == 1
    ours.load_sweep_config(master, ["model=cnn", "seed=1"])
    assert len(asked) == 2


def test_nothing_composed_goes_to_another_process(hydra):
    plain, master = hydra
    ours = Loader(plain)
    ours.load_sweep_config(master, ["seed=1"])
    assert ours.composed
    there = pickle.loads(pickle.dumps(ours))  # noqa: S301 (our own)
    assert not there.composed
    assert composed(there, master, ["seed=2"]) == composed(plain, master, ["seed=2"])


def test_folders_of_configs_that_a_config_names_are_left_to_hydra(tmp_path):
    (tmp_path / "group").mkdir()
    (tmp_path / "group" / "one.yaml").write_text("value: 1\n")
    (tmp_path / "group" / "two.yaml").write_text("value: 2\n")
    with hydra_here() as plain:
        words = [f"hydra.searchpath=[file://{tmp_path}]", "+group=one"]
        master = plain.load_configuration("train", words, RunMode.MULTIRUN)
        job = ["+group=two", "seed=1"]
        assert composed(Loader(plain), master, job) == composed(plain, master, job)
