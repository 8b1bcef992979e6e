from contextlib import nullcontext, suppress

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn.modules import module as hooks

from encore.loggers.graph import graph
from encore.loggers.tensorboard import TensorBoard
from encore.models.mlp import MLP
from encore.models.wide_resnet import WideResNet


class Net(nn.Module):
    """A net whose forward is the function given."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.run = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, inputs):
        return self.run(self, inputs)


def inputs_of(net, example):
    """The inputs of each node; that every one of them is a node is checked."""
    nodes = graph(net, example).node
    names = [node.name for node in nodes]
    assert len(set(names)) == len(names)
    assert {name.partition(":")[0] for node in nodes for name in node.input} <= set(names)
    return {node.name: list(node.input) for node in nodes}


def test_nodes_are_named_as_modules_nest_and_joined_by_the_tensors_that_pass():
    assert inputs_of(MLP([2, 2], 3, [5], norm="batch", dropout=0.1), torch.zeros(2, 2, 2)) == {
        "input": [],
        "MLP/flatten": ["input"],
        "MLP/layers/0/weight": [],
        "MLP/layers/0/bias": [],
        "MLP/layers/0/linear": ["MLP/flatten", "MLP/layers/0/weight", "MLP/layers/0/bias"],
        **{f"MLP/layers/1/{name}": [] for name in ("running_mean", "running_var", "weight", "bias")},
        "MLP/layers/1/batch_norm": [
            "MLP/layers/0/linear",
            *(f"MLP/layers/1/{name}" for name in ("running_mean", "running_var", "weight", "bias")),
        ],
        "MLP/layers/2/relu": ["MLP/layers/1/batch_norm"],
        "MLP/layers/3/dropout": ["MLP/layers/2/relu"],
        "MLP/layers/4/weight": [],
        "MLP/layers/4/bias": [],
        "MLP/layers/4/linear": ["MLP/layers/3/dropout", "MLP/layers/4/weight", "MLP/layers/4/bias"],
        "output": ["MLP/layers/4/linear"],
    }


def test_a_residual_goes_around_its_block():
    found = inputs_of(WideResNet([3, 8, 8], 10, depth=16, widen_factor=1), torch.zeros(2, 3, 8, 8))
    first, third = "WideResNet/groups/0", "WideResNet/groups/2"
    assert found[f"{first}/add"] == ["WideResNet/stem/conv2d", f"{first}/conv2/conv2d"]
    assert found[f"{third}/shortcut/conv2d"][0] == found[f"{third}/conv1/conv2d"][0] == f"{third}/relu"
    assert found[f"{third}/add"] == [f"{third}/shortcut/conv2d", f"{third}/conv2/conv2d"]


def test_what_a_dropout_gives_is_not_what_it_was_given():
    found = inputs_of(Net(lambda net, x: x + net.drop(x), drop=nn.Dropout()), torch.zeros(2, 3))
    assert found["Net/drop/dropout"] == ["input"]
    assert found["Net/add"] == ["input", "Net/drop/dropout"]


def test_a_shared_parameter_is_one_node():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    found = inputs_of(Net(lambda net, x: net.second(net.first(x)), first=first, second=second), torch.zeros(2, 3))
    assert found["Net/second/linear"] == ["Net/first/linear", "Net/first/weight"]
    assert "Net/second/weight" not in found


def test_a_module_may_give_a_parameter():
    part = Net(lambda net, x: net.bias)
    part.bias = nn.Parameter(torch.zeros(3))
    found = inputs_of(Net(lambda net, x: x + net.part(x), part=part), torch.zeros(2, 3))
    assert found["Net/add"] == ["input", "Net/part/bias"]


def test_a_function_never_has_the_name_of_a_module():
    found = inputs_of(Net(lambda net, x: torch.relu(net.relu(x)), relu=nn.ReLU()), torch.zeros(2, 3))
    assert list(found) == ["input", "Net/relu/relu", "Net/relu_1", "output"]


def test_control_flow_is_followed():
    def forward(net, x):
        while x.sum() < 4:
            x = x * 2
        return x.neg() if x.max() > 1 else x.exp()

    assert [name for name in inputs_of(Net(forward), torch.ones(1, 1)) if "mul" in name] == ["Net/mul", "Net/mul_1"]
    assert inputs_of(Net(forward), torch.ones(1, 1))["output"] == ["Net/neg"]
    assert inputs_of(Net(forward), torch.ones(2, 2))["output"] == ["Net/exp"]


def test_what_is_changed_in_place_comes_from_the_change():
    def forward(net, x):
        y = x + 1
        y.relu_()
        y[0] = 0
        return y.exp()

    found = inputs_of(Net(forward), torch.ones(2, 2))
    assert found["Net/relu_"] == ["Net/add"]
    assert found["Net/setitem"] == ["Net/relu_"]
    assert found["Net/exp"] == ["Net/setitem"]


def test_an_example_is_not_changed():
    example = -torch.ones(2, 2)
    assert inputs_of(nn.ReLU(inplace=True), example)["output"] == ["ReLU/relu"]
    assert torch.equal(example, -torch.ones(2, 2))


def test_only_what_gives_tensors_is_a_node():
    def forward(net, x):
        assert x.shape == (x.size(0), len(x))
        return net.same(x.T.to(x.device))

    found = inputs_of(Net(forward, same=nn.Identity()), torch.ones(2, 2))
    assert found == {"input": [], "Net/T": ["input"], "Net/to": ["Net/T"], "output": ["Net/to"]}


def test_several_outputs_of_a_node_are_told_apart_and_have_shapes():
    def forward(net, x):
        first, second = x.split([1, 2], dim=1)
        return {"sums": (second.sum(), first)}

    nodes = {node.name: node for node in graph(Net(forward), torch.ones(4, 3)).node}
    assert nodes["Net/sum"].input == ["Net/split:1"]
    assert nodes["output"].input == ["Net/sum", "Net/split"]
    shapes = {
        name: [[dim.size for dim in shape.dim] for shape in node.attr["_output_shapes"].list.shape]
        for name, node in nodes.items()
    }
    assert shapes == {"input": [[4, 3]], "Net/split": [[4, 1], [4, 2]], "Net/sum": [[]], "output": [[], [4, 1]]}


def test_a_module_that_shows_no_functions_is_a_node_itself():
    class Opaque(nn.Module):
        def forward(self, inputs):
            with torch._C.DisableTorchFunction():  # as within torch.jit, or a library in C++
                return inputs + 1

    found = inputs_of(Net(lambda net, x: net.part(x), part=Opaque()), torch.ones(2, 2))
    assert found["Net/part/Opaque"] == ["input"]
    assert found["output"] == ["Net/part/Opaque"]


def test_a_module_that_fails_is_left():
    def fail(net, x):
        raise ValueError

    def forward(net, x):
        with suppress(ValueError):
            net.part(x)
        return x.exp()

    assert list(inputs_of(Net(forward, part=Net(fail)), torch.ones(2, 2))) == ["input", "Net/exp", "output"]


@pytest.mark.parametrize("fails", [False, True])
def test_all_is_left_as_it_was(fails):
    def forward(net, x):
        x = net.norm(torch.rand_like(x))
        if fails:
            raise ValueError("no")
        return net.frozen(x)

    net = Net(forward, norm=nn.BatchNorm1d(3), frozen=nn.Dropout().eval())
    state, generator = {name: value.clone() for name, value in net.state_dict().items()}, torch.get_rng_state()
    with pytest.raises(ValueError, match="no") if fails else nullcontext():
        graph(net, torch.ones(2, 3))
    assert [module.training for module in (net, net.norm, net.frozen)] == [True, True, False]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), generator)
    assert not hooks._has_any_global_hook()
    assert torch.is_grad_enabled()
    assert net.norm(torch.ones(2, 3)).requires_grad


def test_tensorboard_reads_the_graph_back(tmp_path):
    net, example = MLP([4], 2, [3]), torch.zeros(2, 4)
    board = TensorBoard()
    board.start(tmp_path)
    board.describe({"seed": 0}, net, example, ["loss"])
    board.close()
    assert EventAccumulator(str(tmp_path)).Reload().Graph() == graph(net, example)


@pytest.mark.parametrize("message", ["not zeros", ""])
def test_a_net_that_fails_has_no_graph_and_the_reason_is_logged(tmp_path, caplog, message):
    def forward(net, x):
        raise ValueError(message)

    board = TensorBoard()
    board.start(tmp_path)
    with caplog.at_level("INFO", logger="encore"):
        board.describe({"seed": 0}, Net(forward), torch.zeros(2, 4), ["loss"])
    board.close()
    assert f"no graph: the net cannot be recorded: {message or 'ValueError'}" in caplog.text
    assert not EventAccumulator(str(tmp_path)).Reload().Tags()["graph"]
