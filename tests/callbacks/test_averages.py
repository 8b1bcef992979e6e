"""Averages of weights, against their formulas."""

from types import SimpleNamespace

import pytest
import torch
from endings import SMALL
from torch.optim.swa_utils import AveragedModel

from encore.callbacks.averaging import WeightAverage
from encore.callbacks.ema import EMA
from encore.config.traits import against_averages, chosen_by, of_callbacks
from encore.record.checkpoint_files import load

SETTINGS = {**SMALL, "model": "softmax", "data.val_fraction": 0.0, "callbacks.progress": None, "trainer.max_epochs": 2}


def last(result):
    return load(result.folder / "checkpoints/last.ckpt")["state_dict"]


@pytest.mark.parametrize("several", [1000, pytest.param(1, marks=pytest.mark.slow)])
def test_the_moving_average_is_over_every_step(run, several):
    """The same steps one by one, with the weights kept after each."""
    ends = [
        last(run({**SETTINGS, "optim": "sgd", "trainer.max_steps": step, "callbacks.norms": None}))
        for step in range(1, 4)
    ]
    settings = {"callbacks": ["ema"], "callbacks.ema.decay": 0.5, "steps_per_execution": several}
    found = last(run({**SETTINGS, "optim": "sgd", "trainer.max_steps": 3, **settings}))
    average = ends[0]
    for weights in ends[1:]:
        average = {name: torch.lerp(average[name], weights[name], 0.5) for name in average}
    for name, weight in average.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-5, atol=1e-7)


def test_a_share_of_the_run_says_where_stochastic_weight_averaging_begins(run):
    found = [
        last(run({**SETTINGS, "trainer.max_epochs": 4, "callbacks": ["swa"], "callbacks.swa.start_epoch": begin}))
        for begin in (0.5, 2)
    ]
    assert all(found[0][name].equal(found[1][name]) for name in found[0])


def test_a_callback_of_ones_own_says_what_it_is(tmp_path, monkeypatch):
    (tmp_path / "own_traits.py").write_text(
        "from encore.callbacks.sam import SAM as Base\n"
        "from pytorch_lightning.callbacks import EMAWeightAveraging\n"
        "class Mine(Base):\n    averages_weights: bool = True\n    chooses = ('optim.lr', 'data.batch_size')\n"
        "class Other(EMAWeightAveraging):\n    changes_steps = not True\n"
        "class Plain:\n    averages_weights = None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    recipes = {name.lower(): {"_target_": f"own_traits.{name}"} for name in ("Mine", "Other", "Plain", "Missing")}
    cfg = {"callbacks": {**recipes, "gone": None}}
    assert of_callbacks(cfg, "averages_weights") == {"mine": True, "other": True}
    assert of_callbacks(cfg, "changes_steps") == {"mine": True}
    assert chosen_by(cfg) == {"optim.lr": "mine", "data.batch_size": "mine"}
    assert len(list(against_averages(cfg))) == 1


@pytest.mark.parametrize("average", [EMA(), WeightAverage()], ids=lambda average: type(average).__name__)
def test_an_average_moves_to_the_device_of_the_task(average):
    """Lightning makes it while the task is still on the CPU."""
    average._average_model = AveragedModel(torch.nn.Linear(2, 2))
    average.on_fit_start(None, SimpleNamespace(device=torch.device("meta")))
    assert {weight.device.type for weight in average._average_model.module.parameters()} == {"meta"}
    assert average._average_model.n_averaged.device.type == "cpu"
