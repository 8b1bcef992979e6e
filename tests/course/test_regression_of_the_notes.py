"""The course's experiments on regression: two steps of each, and what they are about."""

import pytest
import torch

from course.diabetes import two_targets
from encore.config.compose import config_from

TWO_STEPS = {"trainer.max_steps": 2, "trainer.log_every_n_steps": 1}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "settings",
    [
        {"experiment": "two_targets"},
        {"experiment": "two_targets", "data.normalize_targets": "none"},
        {"experiment": "thermometer_outlier", "task.loss": "mae"},
        {"experiment": "thermometer_outlier", "task.loss": "huber"},
        {"experiment": "stock_prices"},
        {"sweep": "two_targets"},
        {"sweep": "losses"},
        {"sweep": "decay_or_term"},
    ],
)
def test_two_steps_of_each(run, settings):
    result = run({**settings, **TWO_STEPS})
    assert (result.status, result.steps) == ("finished", 2)


def test_one_column_of_the_patients_targets_dwarfs_the_other():
    held = two_targets()
    assert held.data.shape == (442, 9)
    assert held.targets.var(0) == pytest.approx([5930, 0.272], rel=0.01)


def test_the_learning_rate_of_the_notes_program_is_a_staircase_by_steps(run):
    settings = {"experiment": "stock_prices", "scheduler.step_size": 2, "trainer.max_epochs": 5}
    rows = (run(settings).folder / "metrics.csv").read_text().splitlines()
    rates = [float(row.split(",")[rows[0].split(",").index("optim/lr")]) for row in rows[1:]]
    assert rates == pytest.approx([0.1, 0.1, 0.096, 0.096, 0.09216])


def test_the_notes_program_is_that_in_plain_torch(run):
    """Two steps of gradient descent on the scaled prices, with 0.01 · Σw²/2 of the weights in the loss."""
    data = config_from({"experiment": "stock_prices"})["data"]["train"]
    inputs, targets = torch.tensor(data["data"]), torch.tensor(data["targets"])[:, None]
    inputs, targets = ((each - each.amin(0)) / (each.amax(0) - each.amin(0)) for each in (inputs, targets))
    result = run({"experiment": "stock_prices", "task.init_seed": 0, **TWO_STEPS})
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 1)
    for _ in range(2):
        loss = (layer(inputs) - targets).square().mean() + 0.01 * layer.weight.square().sum() / 2
        layer.zero_grad()
        loss.backward()
        with torch.no_grad():
            for weight in layer.parameters():
                weight -= 0.1 * weight.grad
    held = torch.load(result.folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    torch.testing.assert_close(held["net.linear.weight"], layer.weight.detach(), rtol=1e-4, atol=1e-5)
    assert result.metrics["train/loss"] == pytest.approx(loss.item(), rel=1e-4)
