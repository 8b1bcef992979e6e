"""The curvature of a loss, against its whole Hessian, and directions in the scale of the weights."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from encore.analysis.sharpness.direction import filter_normalised
from encore.analysis.sharpness.eigenvalue import largest
from encore.analysis.sharpness.landscape import Landscape, flat
from encore.models.cnn import CNN
from encore.models.linear import Linear
from encore.models.mlp import MLP

NETS = {
    "softmax": lambda: Linear([6], 3),
    "mlp": lambda: MLP([6], 3, [5], activation="Tanh"),
    "relu": lambda: MLP([6], 3, [5, 4]),
    "batch norm": lambda: MLP([6], 3, [5], norm="batch"),
    "dropout": lambda: MLP([6], 3, [5], dropout=0.5),
}


def examples(n=30):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 6, generator=generator, dtype=torch.float64), torch.randint(3, (n,), generator=generator)


def landscape(net, inputs, targets, batch=1000):
    return Landscape(net, F.cross_entropy, lambda: zip(inputs.split(batch), targets.split(batch), strict=True))


def whole_hessian(net, inputs, targets):
    """The Hessian by automatic differentiation, all of it, [n, n]."""
    weights = dict(net.named_parameters())
    sizes = [weight.numel() for weight in weights.values()]

    def loss(vector):
        parts = zip(weights.items(), vector.split(sizes), strict=True)
        changed = {name: part.view_as(weight) for (name, weight), part in parts}
        return F.cross_entropy(torch.func.functional_call(net, changed, (inputs,)), targets)

    return torch.autograd.functional.hessian(loss, flat(weights.values()).detach())


@pytest.mark.parametrize("name", NETS)
def test_the_largest_eigenvalue_is_that_of_the_whole_hessian(name):
    torch.manual_seed(0)
    net = NETS[name]().double()
    inputs, targets = examples()
    net(inputs)  # batch norm's statistics
    net.eval()
    hessian = whole_hessian(net, inputs, targets)
    for batch in (1000, 7):  # the last of 30 is smaller
        here = landscape(net, inputs, targets, batch)
        vector = torch.randn(len(hessian), dtype=torch.float64)
        assert here.hessian_product(vector).numpy() == pytest.approx((hessian @ vector).numpy(), abs=1e-12)
        found = largest(here.hessian_product, vector, tolerance=1e-7, most=10_000)
        assert found.converged
        assert found.value == pytest.approx(np.linalg.eigvalsh(hessian.numpy())[-1], rel=1e-9)


def test_weights_that_are_not_trained_are_no_axes():
    net = NETS["mlp"]().double().eval()
    net.layers[0].weight.requires_grad_(False)
    here = landscape(net, *examples())
    assert "layers.0.weight" not in here.weights
    assert len(here.hessian_product(torch.ones(5 + 15 + 3, dtype=torch.float64))) == 23


@pytest.mark.parametrize(
    "net", [MLP([6], 3, [5], norm="layer"), CNN([1, 8, 8], 3, [4, 5], depth=1)], ids=["mlp", "cnn"]
)
def test_each_filter_of_a_direction_is_as_long_as_that_of_the_weights(net):
    weights = dict(net.double().named_parameters())
    directions = [filter_normalised(weights, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    for name, weight in weights.items():
        first, same, other = (direction[name] for direction in directions)
        assert first.equal(same)
        if weight.ndim == 1:  # biases, and the parameters of norms
            assert not first.any()
            continue
        assert not first.equal(other)
        for one, of_weights in zip(first, weight.detach(), strict=True):
            assert float(one.norm()) == pytest.approx(float(of_weights.norm()))
            assert not torch.allclose(one.abs(), of_weights.abs())


def test_scaling_layers_against_each_other_changes_the_eigenvalue_but_not_the_loss_in_the_direction():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 3, bias=False)).double()
    losses, eigenvalues = [], []
    for factor in (1.0, 10.0):
        with torch.no_grad():
            net[0].weight *= factor
            net[2].weight /= factor
        here = landscape(net, *examples())
        losses.append(here.loss(filter_normalised(here.weights, torch.Generator().manual_seed(0)), 0.7))
        eigenvalues.append(largest(here.hessian_product, torch.ones(45, dtype=torch.float64), 1e-6, 10_000).value)
    assert losses[1] == pytest.approx(losses[0])
    assert eigenvalues[1] > 10 * eigenvalues[0]
