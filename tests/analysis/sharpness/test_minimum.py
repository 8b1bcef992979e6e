"""Minima of runs: what is measured there is what was recorded, and what is known of quadratic losses."""

from dataclasses import astuple

import numpy as np
import pytest

from encore.analysis.sharpness.minimum import STEPS, Effort, minimum
from encore.config.compose import config_from
from encore.data.module import DataModule
from encore.errors import InputError

SHORT = {"trainer.max_epochs": 2, "data.fraction": 0.2, "data.val_fraction": 0.0, "logger": "none"}
EFFORT = Effort(tolerance=1e-3, products=500, batch=100)


def test_a_quadratic_loss_has_the_eigenvalue_of_its_matrix(run):
    settings = {"task": "regression", "data": "exam_scores", "model": "linear", "optim": "sgd", "logger": "none"}
    folder = run({**settings, "trainer.max_epochs": 3}).folder
    data = DataModule(config_from(settings)["data"], "", 0)
    data.setup()
    inputs = data.normalize(data.source.inputs[data.split.train]).double().numpy()
    columns = np.column_stack([inputs, np.ones(len(inputs))])  # the bias is a weight of ones
    hessian = 2 / len(columns) * columns.T @ columns
    found = minimum(folder, Effort(tolerance=1e-9, products=10_000, batch=2))
    assert found.eigenvalue.converged
    assert found.eigenvalue.value == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-12)
    assert found.test is None
    assert np.diff(found.train, 2) == pytest.approx(np.diff(found.train, 2)[0])  # a parabola


@pytest.mark.parametrize(
    "settings",
    [{"model.dropout": 0.5, "augment": "noise", "task.label_smoothing": 0.1}, {"model": "cnn", "model.channels": [4]}],
    ids=["mlp", "cnn"],
)
def test_in_the_middle_of_the_direction_is_the_recorded_loss(run, settings):
    result = run({**SHORT, **settings})
    found = minimum(result.folder, EFFORT)
    assert STEPS[20] == 0
    assert found.test[20] == pytest.approx(result.metrics["test/loss"], rel=1e-5)
    assert found.loss == found.train[20]
    assert found.rise == pytest.approx(found.train[[10, 30]].mean() - found.train[20])


def test_the_training_loss_is_of_the_last_weights_over_the_examples_that_were_drawn(run):
    """A full batch's loss is known before its step: that of the next epoch is of this one's weights."""
    settings = {**SHORT, "data.batch_size": "all", "data.bootstrap": 1, "data.val_fraction": 0.2}
    score = {"_target_": "torchmetrics.classification.MulticlassSpecificity", "num_classes": 10}
    settings |= {f"+task.metrics.score.{key}": value for key, value in score.items()}
    settings |= {"monitor.metric": "val/score", "monitor.mode": "min"}  # it does not tell which way is better
    shorter, longer = (run({**settings, "trainer.max_epochs": epochs}) for epochs in (3, 4))
    assert minimum(shorter.folder, EFFORT).loss == pytest.approx(longer.metrics["train/loss"], rel=1e-5)


def test_two_calls_give_the_same_bits_and_other_batches_the_same_digits(run):
    folder = run(SHORT).folder
    one, same, other = (minimum(folder, Effort(1e-3, 500, batch)) for batch in (100, 100, 33))
    assert astuple(one.eigenvalue) == astuple(same.eigenvalue)
    assert (one.train == same.train).all()
    assert (one.test == same.test).all()
    assert other.eigenvalue.value == pytest.approx(one.eigenvalue.value, rel=1e-9)
    assert other.train == pytest.approx(one.train, rel=1e-12)


def test_runs_of_one_seed_share_their_direction(run):
    settings = {**SHORT, "optim": "sgd", "optim.lr": 1e-30}  # which leaves the weights as they were drawn
    one, same, other = (
        minimum(run({**settings, **change}).folder, EFFORT) for change in ({}, {"data.batch_size": 32}, {"seed": 1})
    )
    assert one.train == pytest.approx(same.train)
    assert one.train != pytest.approx(other.train, rel=1e-3)


def test_a_net_without_second_derivatives_is_refused(run, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("derivative is not implemented")

    folder = run(SHORT).folder
    monkeypatch.setattr("torch.autograd.grad", fail)
    with pytest.raises(InputError, match="the Hessian of its loss cannot be computed: derivative is not implemented"):
        minimum(folder, EFFORT)
