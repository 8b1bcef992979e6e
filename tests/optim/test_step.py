"""A bare step is a step, bit for bit."""

import copy

import pytest
import torch
from torch import nn

from encore.optim.step import bare_step

OPTIMIZERS = {
    "Adam": (torch.optim.Adam, {"fused": True}),
    "Adam with everything": (
        torch.optim.Adam,
        {"fused": True, "amsgrad": True, "weight_decay": 0.1, "betas": (0.8, 0.9), "eps": 1e-4, "maximize": True},
    ),
    "AdamW": (torch.optim.AdamW, {"fused": True, "weight_decay": 0.1}),
    "Adam that is not fused": (torch.optim.Adam, {}),
    "SGD": (torch.optim.SGD, {"fused": True}),
    "SGD with everything": (
        torch.optim.SGD,
        {"fused": True, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True},
    ),
    "damped SGD": (torch.optim.SGD, {"fused": True, "momentum": 0.9, "dampening": 0.5}),
    "a rate that is a tensor": (torch.optim.Adam, {"fused": True, "lr": torch.tensor(0.01)}),
    "Adagrad": (torch.optim.Adagrad, {"fused": True}),
    "RMSprop": (torch.optim.RMSprop, {}),
}


def groups(net):
    return [{"params": [net[0].weight, net[2].weight]}, {"params": [net[0].bias, net[2].bias], "weight_decay": 0.0}]


def net_and(kind, settings):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    return net, kind(groups(net), **{"lr": 0.01, **settings})


def backward(net, step):
    inputs = torch.randn(8, 5, generator=torch.Generator().manual_seed(step))
    net.zero_grad()
    net(inputs).square().mean().backward()


def same(one, other):
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_the_optimizer_s_own(name):
    (plain, by_torch), (net, optimizer) = net_and(*OPTIMIZERS[name]), net_and(*OPTIMIZERS[name])
    for number in range(6):
        if number in (0, 1, 4):  # looked up again now and then
            step = bare_step(optimizer)
        for each, take in ((plain, by_torch.step), (net, step)):
            backward(each, number)
            if number == 3:
                each[0].bias.grad = None  # it stays where it is
            take()
        for each in (by_torch, optimizer):
            each.param_groups[0]["lr"] = each.param_groups[0]["lr"] * 0.5  # what a schedule does
        same(net, plain)
    assert copy.deepcopy(optimizer.state_dict()).keys() == by_torch.state_dict().keys()
    for state, expected in zip(optimizer.state.values(), by_torch.state.values(), strict=True):
        assert state.keys() == expected.keys()
        assert all(torch.equal(torch.as_tensor(state[key]), torch.as_tensor(expected[key])) for key in state)


def test_whoever_hooks_in_is_called():
    net, optimizer = net_and(torch.optim.Adam, {"fused": True})
    called = []
    optimizer.register_step_post_hook(lambda *_: called.append(1))
    backward(net, 0)
    bare_step(optimizer)()
    assert called == [1]
