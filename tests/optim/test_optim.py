import math

import pytest
import torch

from encore.compose import config_from
from encore.errors import ConfigError
from encore.models.mlp import MLP
from encore.optim.build import build_optimizer, build_schedule

CPU = torch.device("cpu")


def net():
    torch.manual_seed(0)
    return MLP([4], 3, [8], norm="batch")


def rates(steps, **settings):
    """The learning rate of each interval, starting from 1."""
    cfg = config_from(
        {
            "optim": "sgd",
            "optim.lr": 1.0,
            **{key.replace("__", "."): value for key, value in settings.items()},
        }
    )
    optimizer = build_optimizer(cfg["optim"], net(), CPU)
    schedule = build_schedule(cfg["scheduler"], optimizer, {"epoch": steps, "step": steps})
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["scheduler"].step()
    return found


def test_step():
    assert rates(5, scheduler="step", scheduler__step_size=2, scheduler__gamma=0.1) == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01]
    )


def test_exponential():
    assert rates(4, scheduler="exponential", scheduler__gamma=0.5) == pytest.approx([0.5**t for t in range(4)])


def test_inverse_time():
    found = rates(4, scheduler="inverse_time", scheduler__rate=0.5)
    assert found == pytest.approx([1 / (1 + 0.5 * t) for t in range(4)])


def test_cosine_after_a_linear_warm_up():
    found = rates(100, scheduler="cosine", scheduler__warmup=0.1, scheduler__final=0.01)
    assert found[:10] == pytest.approx([(t + 1) / 11 for t in range(10)])
    expected = [0.01 + 0.99 * (1 + math.cos(math.pi * (t - 10) / 90)) / 2 for t in range(10, 100)]
    assert found[10:] == pytest.approx(expected)


def test_one_cycle_peaks_at_the_learning_rate_and_ends_near_nothing():
    found = rates(100, scheduler="one_cycle")
    assert max(found) == pytest.approx(1.0)
    assert found.index(max(found)) == 24
    assert found[-1] < 1e-3


def test_plateau_waits_for_its_metric():
    cfg = config_from({"scheduler": "plateau", "scheduler.patience": 1})
    optimizer = build_optimizer(cfg["optim"], net(), CPU)
    schedule = build_schedule(cfg["scheduler"], optimizer, {"epoch": 9, "step": 9})
    assert schedule["monitor"] == "val/loss"
    for loss in (1.0, 1.0, 1.0):
        schedule["scheduler"].step(loss)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)


def test_no_schedule():
    cfg = config_from({})
    assert build_schedule(cfg["scheduler"], build_optimizer(cfg["optim"], net(), CPU), {"epoch": 1, "step": 1}) is None


def test_weight_decay_can_leave_out_biases_and_norms():
    cfg = config_from({"optim": "adamw", "optim.weight_decay": 0.1, "optim.exclude_bias_and_norm": True})
    decayed, rest = build_optimizer(cfg["optim"], net(), CPU).param_groups
    assert {parameter.ndim for parameter in decayed["params"]} == {2}
    assert {parameter.ndim for parameter in rest["params"]} == {1}
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.1, 0.0)
    whole = build_optimizer(config_from({"optim": "adamw"})["optim"], net(), CPU)
    assert len(whole.param_groups) == 1


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adagrad", "adam", "adamw"])
def test_fused_where_torch_has_it(name):
    optimizer = build_optimizer(config_from({"optim": name})["optim"], net(), CPU)
    assert optimizer.param_groups[0]["fused"] is True


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"])
def test_weight_decay_reaches_every_optimiser(name):
    def trained(decay):
        model = net()
        recipe = config_from({"optim": name, "optim.weight_decay": decay})["optim"]
        optimizer = build_optimizer(recipe, model, CPU)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(4, 4)).square().sum().backward()
            optimizer.step()
        return model.layers[0].weight

    assert not trained(0.0).equal(trained(0.1))


def test_a_setting_that_the_optimiser_has_not():
    with pytest.raises(ConfigError, match=r"cannot build optim from torch\.optim\.Adam: .*momentun"):
        build_optimizer(config_from({"+optim.momentun": 0.9})["optim"], net(), CPU)
