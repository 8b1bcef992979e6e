"""The operations of a pass: fewer and cheaper ones, which give what the pass gives."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from encore.population.programs import aten, recorded

ROWS, BATCH = 3, 5


class Mlp(nn.Module):
    """Linear layers with what stands between them."""

    def __init__(self, between, classes):
        super().__init__()
        self.first, self.second, self.between = nn.Linear(4, 7), nn.Linear(7, classes), between

    def forward(self, inputs):
        return self.second(self.between(self.first(inputs)))


def twice(hidden):
    """ReLU's input is needed after it."""
    return F.relu(hidden) + hidden


def step_of(net):
    """A training step of all rows: losses, outputs and gradients."""
    names = list(dict(net.named_parameters()))

    def one(held, inputs, targets):
        outputs = functional_call(net, held, (inputs,))
        return F.cross_entropy(outputs, targets), outputs.detach()

    def step(weights, inputs, targets):
        leaves = [weight.detach().requires_grad_() for weight in weights]
        losses, outputs = torch.vmap(one)(dict(zip(names, leaves, strict=True)), inputs, targets)
        return [losses.detach(), outputs, *torch.autograd.grad(losses.sum(), leaves)]

    return step


def given(net, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(ROWS, *weight.shape, generator=generator) for weight in net.parameters()]
    return (
        weights,
        torch.randn(ROWS, BATCH, 4, generator=generator),
        torch.randint(0, classes, (ROWS, BATCH), generator=generator),
    )


def overwriting(hidden):
    """Something is needed as it was before it is overwritten, and after."""
    once = hidden * 1
    return F.relu_(hidden.sub_(0.1)) + once


class Convolving(nn.Sequential):
    """A convolution, what is pooled of it, and a layer norm."""

    def __init__(self, classes):
        super().__init__(
            nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 6, 2, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.LayerNorm(6), nn.Linear(6, classes),
        )  # fmt: skip


class Last(nn.Module):
    """Log-probabilities of one place, after all have been looked at as one list."""

    def forward(self, inputs):
        return F.log_softmax(inputs, -1).view(-1).view(inputs.shape)[:, -1]


class Heads(nn.Sequential):
    """Logits of several places in each example."""

    def __init__(self, classes):
        super().__init__(nn.Unflatten(1, (2, 2)), nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, classes), Last())


BETWEEN = [F.relu, torch.tanh, twice, overwriting, F.gelu, F.softplus, Convolving, Heads]


@pytest.mark.parametrize("classes", [2, 10, 16, 40])
@pytest.mark.parametrize("between", BETWEEN, ids=lambda each: each.__name__)
def test_a_recorded_step_gives_what_the_step_gives(between, classes):
    net = between(classes) if between in (Convolving, Heads) else Mlp(between, classes)
    step = step_of(net)
    program = recorded(step, given(net, classes, 0))
    for seed in (0, 1, 0):
        before = given(net, classes, seed)
        with torch.no_grad():
            found = program(*before)
        assert all(map(torch.equal, before[0], given(net, classes, seed)[0]))
        for mine, theirs in zip(found, step(*given(net, classes, seed)), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_what_costs_and_gives_nothing_is_left_out():
    net = Mlp(F.relu, 10)
    program = recorded(step_of(net), given(net, 10, 0))
    used = [node.target for node in program.graph.nodes]
    assert not {aten.alias.default, aten.mul.Scalar, aten.relu.default, aten.threshold_backward.default} & set(used)
    assert (used.count(aten.baddbmm.default), used.count(aten.bmm.default)) == (2, 3)
    with torch.no_grad():
        gradients = program(*given(net, 10, 0))[2:]
    assert all(gradient.is_contiguous() for gradient in gradients)
