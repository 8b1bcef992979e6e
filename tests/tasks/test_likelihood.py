"""Maximum likelihood: the loss is minus the likelihood, and parameters that are none end the run."""

import pytest
import torch
from scipy import stats

from encore.config.compose import config_from
from encore.errors import ConfigError, Diverged
from encore.runner.parts import build_task

THUMBTACK = {"task": "likelihood", "data": "thumbtack", "model": "proportion", "optim": "sgd"}


@pytest.mark.parametrize("logarithm", [True, False])
def test_the_loss_is_minus_the_likelihood(logarithm):
    task = build_task(config_from({**THUMBTACK, "task.logarithm": logarithm, "model.start": 0.4}))
    outputs = task(torch.tensor([[100.0], [10.0]]))
    assert outputs.tolist() == [[100.0, pytest.approx(0.4)], [10.0, pytest.approx(0.4)]]
    kind = stats.binom.logpmf if logarithm else stats.binom.pmf
    expected = -(kind(27, 100, 0.4) + kind(3, 10, 0.4)) / 2
    assert task.loss(outputs, torch.tensor([[27.0], [3.0]])).item() == pytest.approx(expected, rel=1e-4)


def test_any_distribution_of_torch_takes_the_outputs_in_their_order():
    task = build_task(config_from({**THUMBTACK, "task.distribution": "Normal"}))
    loss = task.loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0]]))
    assert loss.item() == pytest.approx(-stats.norm.logpdf(4, 1, 2))


@pytest.mark.parametrize("validates", [True, False])
def test_a_probability_beyond_its_bounds_ends_the_run_as_diverged(run, monkeypatch, validates):
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", validates)  # as torch.compile leaves it
    with pytest.raises(Diverged, match=r"try a smaller optim\.lr"):
        run({**THUMBTACK, "optim.lr": 1.0, "trainer.max_epochs": 50})


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"task.distribution": "Binomail"}, "no Binomail"), ({"model.start": 1.5}, "between 0 and 1")],
)
def test_what_does_not_fit_is_named(run, settings, said):
    with pytest.raises(ConfigError, match=said):
        run({**THUMBTACK, **settings})
