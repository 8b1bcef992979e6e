import pytest
import torch

from encore.config.compose import config_from
from encore.errors import ConfigError
from encore.models.mlp import MLP
from encore.optim.optimizer import build_optimizer, build_schedule

CPU = torch.device("cpu")


def net():
    torch.manual_seed(0)
    return MLP([4], 3, [8], norm="batch")


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
    with pytest.raises(ConfigError, match=r"optim: torch\.optim\.Adam has no setting momentun"):
        build_optimizer(config_from({"+optim.momentun": 0.9})["optim"], net(), CPU)
