"""A bare step is a step, bit for bit."""

import copy

import pytest
import torch
from torch import nn

from encore.fast.step import bare_step

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


def halve(optimizer):
    """What a schedule does."""
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * 0.5


def no_momentum(optimizer):
    for group in optimizer.param_groups:
        if "momentum" in group:
            group["momentum"] = 0.0


def new_states(optimizer):
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))


def compare(pair, others, meanwhile=lambda net, optimizer: None):
    (plain, by_torch), (net, optimizer) = pair, others
    for number in range(6):
        if number in (0, 1, 4):  # looked up again now and then
            step = bare_step(optimizer)
        for each, take in ((plain, by_torch.step), (net, step)):
            backward(each, number)
            if number == 3:
                each[0].bias.grad = None  # it stays where it is
            take()
        if number == 2:
            meanwhile(plain, by_torch)
            meanwhile(net, optimizer)
        assert all(torch.equal(a, b) for a, b in zip(net.parameters(), plain.parameters(), strict=True))
    for state, expected in zip(optimizer.state.values(), by_torch.state.values(), strict=True):
        assert state.keys() == expected.keys()
        for key, value in expected.items():
            assert (state[key] is None) == (value is None)
            assert value is None or torch.equal(torch.as_tensor(state[key]), torch.as_tensor(value))


@pytest.mark.sampled(10)
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("change", [halve, no_momentum, new_states])
def test_steps_are_the_optimizer_s_own(name, change):
    compare(
        net_and(*OPTIMIZERS[name]),
        net_and(*OPTIMIZERS[name]),
        meanwhile=lambda net, optimizer: change(optimizer),
    )


def test_weights_whose_memory_is_replaced_are_stepped_with():
    def replace(net, optimizer):
        for parameter in net.parameters():
            parameter.data = parameter.data.clone() * 0.9

    adam = torch.optim.Adam, {"fused": True}
    compare(net_and(*adam), net_and(*adam), meanwhile=replace)


@pytest.mark.parametrize("scheduled", [False, True])
def test_states_are_looked_up_once_with_a_schedule_too(scheduled, monkeypatch):
    net, optimizer = net_and(torch.optim.Adam, {"fused": True})
    if scheduled:
        torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    backward(net, 0)
    optimizer.step()
    step = bare_step(optimizer)
    monkeypatch.setattr(torch.optim.Adam, "_init_group", None)
    before = net[0].weight.clone()
    step()
    assert not net[0].weight.equal(before)


def test_whoever_hooks_in_is_called():
    net, optimizer = net_and(torch.optim.Adam, {"fused": True})
    called = []
    optimizer.register_step_post_hook(lambda *_: called.append(1))
    backward(net, 0)
    bare_step(optimizer)()
    assert called == [1]
