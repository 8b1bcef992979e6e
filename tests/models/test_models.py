import pytest
import torch

from encore.models.cnn import CNN
from encore.models.linear import Linear
from encore.models.mlp import MLP
from encore.models.resnet import ResNet18
from encore.models.wide_resnet import WideResNet

PICTURE = [3, 32, 32]


@pytest.mark.parametrize(
    "net",
    [
        Linear(PICTURE, 7),
        MLP(PICTURE, 7, [16, 8], dropout=0.5, norm="batch"),
        MLP(PICTURE, 7, [16], norm="layer", activation="GELU"),
        CNN(PICTURE, 7),
        ResNet18(PICTURE, 7),
        WideResNet(PICTURE, 7, depth=10, widen_factor=1, dropout=0.3),
    ],
    ids=lambda net: type(net).__name__,
)
def test_a_batch_of_pictures_gives_logits(net):
    assert net.eval()(torch.zeros(2, *PICTURE)).shape == (2, 7)


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: Linear([1, 28, 28], 10), 7_850),
        (lambda: MLP([1, 28, 28], 10, [128]), 101_770),
        (lambda: MLP([1, 28, 28], 10, [64, 128, 64], norm="batch"), 67_978),
        (lambda: CNN([1, 28, 28], 10), 271_834),
        (lambda: ResNet18(PICTURE, 100), 11_220_132),
        (
            lambda: WideResNet(PICTURE, 10, depth=28, widen_factor=10),
            36_479_194,
        ),  # as published: 36.5 million
    ],
)
def test_parameters(make, count):
    with torch.device("meta"):
        net = make()
    assert sum(parameter.numel() for parameter in net.parameters()) == count


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: MLP([4], 2, [8], norm="group"),
            r"unknown norm 'group'; choose from \['batch', 'layer', 'none'\]",
        ),
        (lambda: MLP([4], 2, [8], activation="Relu"), "unknown activation 'Relu'"),
        (lambda: CNN([12], 2), r"needs inputs of \[channels, height, width\]"),
        (lambda: CNN([1, 2, 2], 2), "too few"),
        (lambda: ResNet18([12], 2), "needs inputs of"),
        (lambda: WideResNet(PICTURE, 2, depth=20), r"depth must be 6 · k \+ 4"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_averaged_pictures_have_fewer_features():
    torch.manual_seed(0)
    net, pictures = MLP([2, 4, 6], 3, [5], pool=2), torch.randn(7, 2, 4, 6)
    blocks = pictures.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))
    assert net.layers[0].in_features == 2 * 2 * 3
    torch.testing.assert_close(net(pictures), net.layers(blocks.flatten(1)))


@pytest.mark.parametrize(
    ("shape", "pool", "message"),
    [([1, 8, 9], 2, "can be averaged"), ([64], 2, "can be averaged"), ([1, 8, 8], 0, "pool must be at least 1")],
)
def test_what_cannot_be_averaged_is_refused(shape, pool, message):
    with pytest.raises(ValueError, match=message):
        MLP(shape, 3, [5], pool=pool)
