"""Regression, and weights that are drawn as a source drew them."""

import pytest
import torch
from torch import nn

from encore.config.compose import config_from
from encore.errors import ConfigError
from encore.runner.parts import build_task


def test_the_loss_is_the_mean_squared_error_and_needs_a_target_an_output():
    task = build_task(config_from({"task": "regression", "data": "exam_scores", "model": "linear"}))
    outputs, targets = torch.tensor([[1.0], [4.0]]), torch.tensor([[3.0], [4.0]])
    assert task.loss(outputs, targets).item() == 2.0
    with pytest.raises(ValueError, match=r"data\.num_classes=null"):
        task.loss(outputs, targets.flatten())


def test_a_run_scores_by_the_loss_and_by_metrics(run):
    data = {"data": "exam_scores", "data.test_fraction": 0.2, "data.batch_size": 4}
    scores = {"+task.metrics.mae._target_": "torchmetrics.regression.MeanAbsoluteError"}
    metrics = run({"task": "regression", **data, "model": "mlp", "trainer.max_epochs": 2, **scores}).metrics
    assert metrics["test/loss"] == pytest.approx(metrics["test/mae"] ** 2)  # of one example


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"data": "exam_scores", "data.batch_size": 5}, ConfigError, "task=regression learns"),
        ({"task": "regression"}, ConfigError, "data.num_classes=null says"),
        ({"task": "regression", "data": "softmax_toy"}, ConfigError, "data.num_classes=null says"),
        (
            {"task": "regression", "data": "exam_scores", "data.train.targets": [1, 2, 3, 4, None]},
            ConfigError,
            "finite numbers",
        ),
        ({"data": "softmax_toy", "data.train.data": [[1, 2, 3], [1, 2]]}, ConfigError, "rows of one length"),
    ],
)
def test_targets_that_do_not_fit_the_task_are_named(run, settings, error, said):
    with pytest.raises(error, match=said):
        run(settings)


def test_numbers_are_split_at_random_and_not_by_their_order():
    from encore.data.split import stratified

    targets = torch.arange(100.0).reshape(-1, 1)
    held = stratified(targets, val=0.2, test=0.2, fraction=1.0, seed=0)
    assert len(held.val) == len(held.test) == 20
    assert 30 < targets[held.test].mean() < 70


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_weights_are_those_of_a_later_layer_after_a_seed(layers):
    torch.manual_seed(1)
    *_, expected = [nn.Linear(3, 3) for _ in range(layers + 1)]
    settings = {"data": "softmax_toy", "model": "softmax", "task.init_seed": 1, "task.init_skip": 12 * layers}
    for seed in (0, 7):
        net = build_task(config_from({**settings, "seed": seed})).net
        assert net.linear.weight.equal(expected.weight)
        assert net.linear.bias.equal(expected.bias)
