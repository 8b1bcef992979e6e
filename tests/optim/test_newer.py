"""Muon, schedule-free AdamW and sharpness-aware minimisation against plain references."""

import importlib.util

import pytest
import torch
import torch.nn.functional as F
from endings import SMALL
from torch import nn

from encore.callbacks.sam import climb
from encore.config.compose import config_from
from encore.errors import ConfigError
from encore.optim.muon import Muon
from encore.record.checkpoint_files import load
from encore.runner.parts import build_data, build_task

needs_schedulefree = pytest.mark.skipif(
    importlib.util.find_spec("schedulefree") is None, reason="needs schedulefree: uv pip install schedulefree"
)
ONE_BATCH = {**SMALL, "callbacks.progress": None, "optim": "sgd", "optim.lr": 0.1, "data.batch_size": "all"}


def test_muon_is_torch_s_for_matrices_and_adamw_for_the_rest():
    torch.manual_seed(0)
    net, other = nn.Linear(5, 3), nn.Linear(5, 3)
    other.load_state_dict(net.state_dict())
    ours = Muon(net.parameters(), lr=0.01, weight_decay=0.1)
    theirs = [
        torch.optim.Muon([other.weight], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([other.bias], lr=0.01, weight_decay=0.1),
    ]
    for _ in range(3):
        inputs = torch.randn(4, 5)
        for each in (net, other):
            each.zero_grad()
            each(inputs).square().sum().backward()
        for optimizer in (ours, *theirs):
            optimizer.step()
    assert net.weight.equal(other.weight)
    assert net.bias.equal(other.bias)


def test_the_neighbour_is_at_the_radius_along_the_gradient():
    weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))]
    weights[0].grad, weights[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([-4.0])
    climb(weights, 0.5)
    torch.testing.assert_close(torch.cat([each.detach() for each in weights]), torch.tensor([0.3, 0.0, -0.4]))
    assert all(each.grad is None for each in weights)


@pytest.mark.parametrize("several", [1000, pytest.param(1, marks=pytest.mark.slow)])
def test_sharpness_aware_steps_are_those_of_the_paper(run, several):
    settings = {**ONE_BATCH, "callbacks": ["sam"], "callbacks.sam.rho": 0.5, "steps_per_execution": several}
    result = run(settings)
    cfg = config_from(settings)
    data = build_data(cfg)
    net = build_task(cfg).net
    inputs = data.normalize(data.source.read(data.split.train.tolist()))
    targets = data.source.targets[data.split.train]

    def gradients():
        return torch.autograd.grad(F.cross_entropy(net(inputs), targets), list(net.parameters()))

    for _ in range(result.steps):
        before, at = [each.detach().clone() for each in net.parameters()], gradients()
        norm = torch.cat([each.flatten() for each in at]).norm()
        with torch.no_grad():
            for weight, gradient in zip(net.parameters(), at, strict=True):
                weight += 0.5 * gradient / norm
        nearby = gradients()
        with torch.no_grad():
            for weight, begin, gradient in zip(net.parameters(), before, nearby, strict=True):
                weight.copy_(begin - 0.1 * gradient)
    found = load(result.folder / "checkpoints/last.ckpt")["state_dict"]
    for name, weight in net.named_parameters():
        torch.testing.assert_close(found[f"net.{name}"], weight.detach(), rtol=1e-4, atol=1e-6)


@needs_schedulefree
def test_validation_and_the_end_have_the_average_of_a_schedule_free_optimiser(run):
    settings = {**ONE_BATCH, "optim": "schedule_free", "optim.lr": 0.01, "callbacks.progress": None}
    result = run(settings)
    last, best = (load(result.folder / "checkpoints" / name) for name in ("last.ckpt", "best.ckpt"))
    assert not last["optimizer_states"][0]["param_groups"][0]["train_mode"]
    assert result.best["epoch"] == result.epochs - 1
    name = next(name for name in best["state_dict"] if name.endswith("weight"))
    torch.testing.assert_close(best["state_dict"][name], last["state_dict"][name])
    # The average of two steps is not the last point itself.
    assert not torch.allclose(last["state_dict"][name], last["optimizer_states"][0]["state"][0]["z"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optim": "schedule_free", "scheduler": "cosine"}, "takes the place of a schedule: scheduler=none"),
        ({"optim": "schedule_free", "callbacks.schedule_free": None}, "needs callbacks.schedule_free"),
        ({"optim": "schedule_free", "callbacks": ["ema"]}, "each put an average of the weights in"),
        ({"callbacks": ["ema", "swa"]}, "callbacks.ema and callbacks.swa each put an average"),
    ],
)
def test_what_an_average_cannot_be_with_is_said(settings, said):
    with pytest.raises(ConfigError, match=said):
        config_from(settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"trainer.devices": 2, "trainer.strategy": "ddp"}, "works on one device"),
        ({"trainer.precision": "16-mixed"}, "bf16-mixed has none"),
    ],
)
def test_what_a_second_pass_cannot_be_with_is_said(settings, said):
    from encore.callbacks.sam import SAM

    cfg = {"task": {"_target_": "encore.tasks.classification.Classification"}, "optim": {}, "trainer": {}}
    for key, value in settings.items():
        cfg["trainer"][key.removeprefix("trainer.")] = value
    assert said in SAM().against(cfg)
