"""Which weights fit a net, which layers it has, and what freezing leaves."""

import pytest
import torch
from torch import nn

from encore.models.cnn import CNN
from encore.models.fine_tuning import freeze, layers, load


def cnn(classes=10, channels=(4, 8)):
    return CNN((1, 8, 8), classes, channels, depth=1)


def test_a_layer_is_a_module_with_weights_and_the_norms_behind_it():
    assert layers(cnn()) == [["features.0", "features.1"], ["features.4", "features.5"], ["classifier.1"]]


@pytest.mark.parametrize(
    ("classes", "new", "drawn"),
    [
        (10, "auto", []),
        (7, "auto", ["classifier.1"]),
        (10, "head", ["classifier.1"]),
        (7, ["classifier", "features.4."], ["features.4", "classifier.1"]),
    ],
)
def test_all_is_loaded_but_what_is_to_be_new(classes, new, drawn):
    source, net = cnn(), cnn(classes)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = load(net, source.state_dict(), new)
    assert found.loaded + found.new == [name for name in before if name not in found.new] + found.new
    assert sorted({name.rpartition(".")[0] for name in found.new}) == sorted(drawn)
    for name, value in net.state_dict().items():
        assert torch.equal(value, (before if name in found.new else source.state_dict())[name])


def test_a_head_of_another_name_is_listed_on_both_sides():
    source = nn.Sequential()
    source.add_module("body", nn.Linear(2, 3))
    net = nn.Sequential()
    net.add_module("body", nn.Linear(2, 3))
    source.add_module("fc", nn.Linear(3, 9))
    net.add_module("head", nn.Linear(3, 4))
    with pytest.raises(ValueError, match=r"the net lacks fc\.weight, fc\.bias"):
        load(net, source.state_dict())
    assert load(net, source.state_dict(), ["fc", "head"]).unused == ["fc.weight", "fc.bias"]
    assert torch.equal(net.body.weight, source.body.weight)


@pytest.mark.parametrize(
    ("source", "new", "said"),
    [
        (
            cnn(channels=(4, 9)),
            "auto",
            r"^8 of the net's 14 tensors fit \(features\.0\.weight, .*; of another shape: "
            r"features\.4\.weight \[9, 4, 3, 3\], not \[8, 4, 3, 3\].*; nothing was loaded",
        ),
        (cnn(channels=(4,)), "auto", "the file lacks features.4.weight"),
        (cnn(channels=(4, 8, 8)), "auto", "the net lacks features.8.weight"),
        (cnn(), ["classifer"], "neither the net nor the file has classifer"),
        (cnn(), ["features", "classifier"], "leaves nothing to load"),
    ],
    ids=["wider", "shallower", "deeper", "misspelt", "all new"],
)
def test_what_does_not_fit_is_refused_whole(source, new, said):
    net = cnn()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=said):
        load(net, source.state_dict(), new)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_all_but_the_last_layers_are_frozen_and_dropout_belongs_to_the_layer_behind_it():
    net = cnn()
    assert freeze(net, "all") == []
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert freeze(net, 1) == [f"features.{place}" for place in range(6)]
    assert [name for name, each in net.named_parameters() if each.requires_grad] == [
        "classifier.1.weight",
        "classifier.1.bias",
    ]
    assert freeze(net, 2) == ["features.0", "features.1"]
    with pytest.raises(ValueError, match="the net has 3 layers"):
        freeze(net, 4)
