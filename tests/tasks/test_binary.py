"""Binary classification: one sigmoid unit, and what counts as class 1."""

import pytest
import torch

from encore.analysis.ensembles.predictions import predict
from encore.config.compose import config_from
from encore.errors import ConfigError
from encore.runner.parts import build_task

GATE = {"task": "binary", "data": "gate_xor", "model": "linear"}


@pytest.fixture
def task():
    return build_task(config_from(GATE))


def test_the_loss_is_the_cross_entropy_of_the_sigmoid(task):
    outputs, targets = torch.tensor([[0.0], [2.0], [-1.0]]), torch.tensor([1, 0, 0])
    probability = torch.tensor([0.5, 1 / (1 + torch.e**-2), 1 / (1 + torch.e)])
    expected = -torch.stack([probability[0], 1 - probability[1], 1 - probability[2]]).log().mean()
    torch.testing.assert_close(task.loss(outputs, targets), expected)


def test_class_1_is_what_float32s_sigmoid_puts_above_a_half(task):
    """torchmetrics would take logits between 0 and 1 for probabilities."""
    accuracy = task.test_tally.scores["accuracy"]
    outputs = torch.tensor([[0.3], [1e-9], [-0.3], [7.0]])
    assert accuracy(task.prediction(outputs), torch.tensor([1, 0, 0, 1])) == 1.0
    assert task.decision(outputs).tolist() == [1, 0, 0, 1]
    assert accuracy(task.prediction(outputs), torch.tensor([1, 1, 0, 1])) == 0.75


def test_a_run_learns_a_gate_and_predicts_both_classes(run):
    settings = {"data": "gate_or", "optim": "sgd", "optim.lr": 5.0, "data.test_fraction": 0.0, "trainer.max_epochs": 50}
    result = run({**GATE, **settings})
    assert result.metrics["train/accuracy"] == 1.0
    found = predict(result.folder, "train").probabilities
    assert found.shape == (4, 2)
    assert found.sum(1) == pytest.approx([1] * 4)
    assert found.argmax(1).tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("settings", [{"task.num_outputs": 2}, {"augment": "mixup"}])
def test_what_does_not_fit_is_named(run, settings):
    with pytest.raises(ConfigError, match="one output per example"):
        run({**GATE, **settings})
