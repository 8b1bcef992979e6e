"""What a net gives in training and in evaluation is looked at before the first step."""

import sys
from types import ModuleType

import pytest
import torch
from endings import SMALL
from torch import nn

from encore.errors import ConfigError
from encore.tasks.classification import Classification


class Net(nn.Module):
    """Ten classes of eight by eight pixels; what else it gives, `extra` says."""

    def __init__(self, extra: str):
        super().__init__()
        self.extra, self.layer, self.norm = extra, nn.Linear(64, 10), nn.BatchNorm1d(10)

    def forward(self, inputs):
        made = self.norm(self.layer(inputs.flatten(1)))
        if self.extra == "always" or (self.extra == "while it trains" and self.training):
            return made, made.mean()
        if self.extra == "more while it trains" and self.training:
            return torch.cat([made, made], 1)
        return {"made": made} if self.extra == "dict while it trains" and self.training else made


@pytest.fixture
def settings(monkeypatch):
    module = ModuleType("nets_of_a_user")
    module.Net = Net
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return {**SMALL, "model": "none", "+model._target_": "nets_of_a_user.Net"}


MADE = {
    "always": r"the model makes a tuple of a batch of \[2, 1, 8, 8\], not \[2, 10\]; return the tensor alone",
    "while it trains": r"makes a tuple of a batch of \[2, 1, 8, 8\] while it trains, not \[2, 10\]; return the tensor",
    "dict while it trains": r"makes a dict of a batch of \[2, 1, 8, 8\] while it trains, not \[2, 10\]",
    "more while it trains": r"makes \[2, 20\] of a batch of \[2, 1, 8, 8\] while it trains, not \[2, 10\]",
}


@pytest.mark.parametrize(("extra", "said"), MADE.items(), ids=MADE)
def test_what_it_makes_is_named(run, tmp_path, settings, extra, said):
    with pytest.raises(ConfigError, match=said):
        run({**settings, "+model.extra": extra})
    assert not list((tmp_path / "runs").rglob("result.json"))


def test_looking_changes_nothing():
    net = Net("nothing")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    task = Classification(
        net={"_target_": "torch.nn.Identity"}, optim={}, scheduler={}, augment={}, metrics=None, seed=0, num_outputs=10
    )
    task.net = net
    task.rehearse(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
