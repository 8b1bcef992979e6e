"""Each optimiser's first three steps, as built from its config, against torch's documented formula; in float64."""

import pytest
import torch
from torch import nn

from encore.config.compose import config_from
from encore.optim.optimizer import build_optimizer

START = torch.tensor([0.5, -2.0, 3.0], dtype=torch.float64)
GRADIENTS = [
    torch.tensor(values, dtype=torch.float64) for values in ([0.3, -1.0, 2e-4], [-0.7, -0.9, 1e-3], [0.1, 4.0, -5e-4])
]
EXACT = {"rtol": 1e-12, "atol": 0.0}  # a difference of formulas, however small, is far above this


def built(name, **settings):
    """A net of one weight with three numbers, and its optimiser."""
    net = nn.ParameterDict({"weight": START.clone()})
    words = {"optim": name, **{f"++optim.{key}": value for key, value in settings.items()}}
    return net, build_optimizer(config_from(words)["optim"], net, torch.device("cpu"))


def steps(name, gradients=GRADIENTS, **settings):
    """The weight after each step; a gradient may be a function of the weight."""
    net, optimizer = built(name, **settings)
    weight = net["weight"]
    for gradient in gradients:
        weight.grad = gradient(weight.detach()) if callable(gradient) else gradient.clone()
        optimizer.step()
        yield weight.detach().clone()


def decayed(gradients, weight, decay):
    """Each gradient with the weight decay's, at the weight that the caller then changes in place."""
    for gradient in gradients:
        yield gradient + decay * weight


def sgd(lr, decay):
    w = START.clone()
    for g in decayed(GRADIENTS, w, decay):
        w -= lr * g
        yield w.clone()


def momentum(lr, decay, mu=0.9):
    w, b = START.clone(), torch.zeros(3, dtype=torch.float64)
    for g in decayed(GRADIENTS, w, decay):
        b = mu * b + g
        w -= lr * b
        yield w.clone()


def nesterov(lr, decay, mu=0.9):
    w, b = START.clone(), torch.zeros(3, dtype=torch.float64)
    for g in decayed(GRADIENTS, w, decay):
        b = mu * b + g
        w -= lr * (g + mu * b)
        yield w.clone()


def adagrad(lr, decay, eps=1e-10):
    w, total = START.clone(), torch.zeros(3, dtype=torch.float64)
    for g in decayed(GRADIENTS, w, decay):
        total = total + g**2
        w -= lr * g / (total.sqrt() + eps)
        yield w.clone()


def adadelta(lr, decay, rho=0.9, eps=1e-6):
    w, squares, moves = START.clone(), torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for g in decayed(GRADIENTS, w, decay):
        squares = rho * squares + (1 - rho) * g**2
        move = (moves + eps).sqrt() / (squares + eps).sqrt() * g
        moves = rho * moves + (1 - rho) * move**2
        w -= lr * move
        yield w.clone()


def rmsprop(lr, decay, alpha=0.99, eps=1e-8):
    w, squares = START.clone(), torch.zeros(3, dtype=torch.float64)
    for g in decayed(GRADIENTS, w, decay):
        squares = alpha * squares + (1 - alpha) * g**2
        w -= lr * g / (squares.sqrt() + eps)
        yield w.clone()


def adam(lr, decay, beta1=0.9, beta2=0.999, eps=1e-8):
    w, mean, squares = START.clone(), torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for t, g in enumerate(decayed(GRADIENTS, w, decay), 1):
        mean = beta1 * mean + (1 - beta1) * g
        squares = beta2 * squares + (1 - beta2) * g**2
        w -= lr * (mean / (1 - beta1**t)) / ((squares / (1 - beta2**t)).sqrt() + eps)
        yield w.clone()


FORMULAS = {
    "sgd": sgd, "momentum": momentum, "nesterov": nesterov, "adagrad": adagrad, "adadelta": adadelta,
    "rmsprop": rmsprop, "adam": adam,
}  # fmt: skip


@pytest.mark.sampled(5)
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", FORMULAS)
def test_steps_are_those_of_torch_s_documented_formula(name, decay):
    lr = config_from({"optim": name})["optim"]["lr"]
    for found, expected in zip(steps(name, weight_decay=decay), FORMULAS[name](lr, decay), strict=True):
        torch.testing.assert_close(found, expected, **EXACT)


# What torch does otherwise than the papers; the configs' comments say so.


def slope(weight):
    """The gradient of a quadratic with three curvatures."""
    return torch.tensor([4.0, 1.0, 0.1], dtype=torch.float64) * weight


def sutskever(lr, mu):
    """Nesterov's momentum as in Sutskever et al. (2013), equations 3 and 4: the weight, and the velocity."""
    w, v = START.clone(), torch.zeros(3, dtype=torch.float64)
    while True:
        v = mu * v - lr * slope(w + mu * v)
        w = w + v
        yield w, v


def test_nesterov_s_weights_are_the_points_ahead_at_which_the_paper_takes_gradients():
    taken = steps("nesterov", [slope] * 3, lr=0.05, momentum=0.9)
    for found, (weight, velocity) in zip(taken, sutskever(0.05, 0.9), strict=False):
        torch.testing.assert_close(found, weight + 0.9 * velocity, **EXACT)
        assert not torch.allclose(found, weight)


def test_nesterov_s_first_step_is_longer_than_the_paper_s_by_the_momentum():
    first = next(steps("nesterov", [slope], lr=0.05, momentum=0.9))
    paper, _ = next(sutskever(0.05, 0.9))
    torch.testing.assert_close(first - START, 1.9 * (paper - START), **EXACT)
    torch.testing.assert_close(paper, START - 0.05 * slope(START), **EXACT)


def test_momentum_scales_the_whole_velocity_when_the_rate_changes_and_polyak_s_only_what_is_new():
    g1, g2, _ = GRADIENTS
    net, optimizer = built("momentum", lr=0.1, momentum=0.9)
    for lr, gradient in ((0.1, g1), (0.01, g2)):
        optimizer.param_groups[0]["lr"] = lr
        net["weight"].grad = gradient.clone()
        optimizer.step()
    torch.testing.assert_close(net["weight"].detach(), START - 0.1 * g1 - 0.01 * (0.9 * g1 + g2), **EXACT)
    polyak = START - 0.1 * g1 - (0.9 * 0.1 * g1 + 0.01 * g2)
    assert not torch.allclose(net["weight"].detach(), polyak)


def test_momentum_begins_with_the_first_gradient_whatever_the_dampening():
    first, second, _ = steps("momentum", lr=0.1, momentum=0.9, dampening=0.5)
    g1, g2, _ = GRADIENTS
    torch.testing.assert_close(first, START - 0.1 * g1, **EXACT)
    torch.testing.assert_close(second, first - 0.1 * (0.9 * g1 + 0.5 * g2), **EXACT)


# With alpha=0 the mean of squares is the gradient's own.
@pytest.mark.parametrize(("name", "settings"), [("adagrad", {}), ("rmsprop", {"alpha": 0.0})])
def test_eps_is_added_to_the_root_and_does_not_stand_under_it(name, settings):
    eps = 1e-3
    (found,) = steps(name, [torch.full((3,), eps, dtype=torch.float64)], lr=1.0, eps=eps, **settings)
    torch.testing.assert_close(START - found, torch.full_like(START, 0.5), rtol=1e-9, atol=0.0)  # eps / (eps + eps)


def test_adadelta_s_rate_multiplies_the_paper_s_steps_which_have_none():
    for whole, half in zip(steps("adadelta", lr=1.0), steps("adadelta", lr=0.5), strict=True):
        torch.testing.assert_close(half - START, (whole - START) / 2, **EXACT)


def test_rmsprop_s_first_step_is_ten_times_the_rate_and_adam_s_the_rate():
    for name, times in (("rmsprop", 10), ("adam", 1)):
        first = next(steps(name, lr=0.01))
        torch.testing.assert_close(first - START, -0.01 * times * GRADIENTS[0].sign(), rtol=1e-3, atol=0.0)
