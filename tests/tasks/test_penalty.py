"""A norm of the weights as a term of the training loss; and whether weight decay is the same."""

import pytest
import torch
from torch import nn

from encore.config.compose import config_from
from encore.errors import ConfigError
from encore.tasks.penalty import Penalty

SCORES = {"experiment": "exam_scores", "trainer.max_epochs": 2}


@pytest.mark.parametrize(
    ("norm", "all_of_them", "without_biases"),
    [("l1", 3 + 4 + 5, 3 + 4), ("l2", 5 + 5, 5), ("l2_squared", 9 + 16 + 25, 9 + 16)],
)
def test_norms_are_sums_over_the_parameters(norm, all_of_them, without_biases):
    net = nn.Linear(2, 1)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[3.0, -4.0]]))
        net.bias.fill_(-5.0)
    assert Penalty(norm, 0.5)(net).item() == pytest.approx(all_of_them / 2)
    assert Penalty(norm, 0.5, exclude_bias_and_norm=True)(net).item() == pytest.approx(without_biases / 2)


@pytest.mark.parametrize("norm", ["l1", "l2", "l2_squared"])
def test_weights_that_are_all_zero_have_a_finite_gradient(norm):
    net = nn.Linear(2, 1)
    nn.init.zeros_(net.weight)
    Penalty(norm, 1.0)(net).backward()
    assert torch.isfinite(net.weight.grad).all()


def test_it_is_a_term_of_the_logged_training_loss_and_not_of_the_validation_s(run):
    held_out = {**SCORES, "data.val_fraction": 0.4, "trainer.max_epochs": 1, "optim.lr": 1e-30}
    plain = run(held_out).metrics
    metrics = run({**held_out, "task.penalty": {"norm": "l2_squared", "weight": 1000.0}}).metrics
    torch.manual_seed(1)
    *_, layer = [nn.Linear(3, 3) for _ in range(4)] + [nn.Linear(3, 1)]
    squares = sum(each.square().sum().item() for each in layer.parameters())
    assert metrics["train/loss"] - plain["train/loss"] == pytest.approx(1000 * squares, rel=1e-4)
    assert metrics["val/loss"] == plain["val/loss"]


# Set alike: the gradient of λ/2 · Σw² is λ · w.
DECAY = 0.1
TERM = {"task.penalty": {"norm": "l2_squared", "weight": DECAY / 2}}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize(("optim", "same"), [("sgd", True), ("momentum", True), ("adam", True), ("adamw", False)])
def test_weight_decay_is_the_same_where_it_is_added_to_the_gradient(run, optim, same, biases):
    """torch's Adam adds it to the gradient, too; AdamW takes it off the weights (Loshchilov and Hutter 2019)."""
    chosen = {**SCORES, "optim": optim, "optim.lr": 0.1, "optim.weight_decay": 0.0}
    term = {**chosen, "task.penalty": {**TERM["task.penalty"], "exclude_bias_and_norm": not biases}}
    decay = {**chosen, "optim.weight_decay": DECAY, "optim.exclude_bias_and_norm": not biases}
    found = [
        torch.load(run(each).folder / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for each in (term, decay)
    ]
    off = max((one - other).abs().max().item() for one, other in zip(*(each.values() for each in found), strict=True))
    assert (off < 1e-5) is same


@pytest.mark.parametrize(
    ("penalty", "said"),
    [
        ({"norm": "l3", "weight": 1}, "task.penalty.norm=l3: must be one of l1, l2, l2_squared"),
        ({"norm": "l1", "weight": -1}, "task.penalty.weight=-1: must be a number at least 0"),
        ({"norm": "l1", "weight": "much"}, "task.penalty.weight=much"),
        ({"weight": 1, "exclude_bias_and_norm": "no"}, "exclude_bias_and_norm"),
        ({"wieght": 1}, "wieght"),
        (1, "task.penalty=1"),
    ],
)
def test_a_penalty_that_cannot_be_is_refused(penalty, said):
    with pytest.raises(ConfigError, match=said):
        config_from({"task.penalty": penalty})


@pytest.mark.parametrize("nothing", [None, {"weight": 0}, {"norm": "l1", "weight": 0}])
def test_none_of_it_is_the_same_run(nothing):
    from encore.provenance.fingerprint import fingerprint

    assert fingerprint(config_from({"task.penalty": nothing})) == fingerprint(config_from({}))
