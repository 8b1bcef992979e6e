"""The list of torch's operations that a pass consists of, with cheaper ones in the place of some."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import Graph, GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

aten: Any = torch.ops.aten
Node = Any  # torch.fx's, whose type says that anything may be an argument
# The operations of passes, by their kind and the shapes of what they are given.
Programs = dict[Any, Callable[..., Any]]
# The CPU's log-softmax takes ten times as long along a dimension that is shorter than its vectors.
SHORT = 16
# Operations whose result is memory of its own.
NEW = {aten.bmm.default, aten.baddbmm.default, aten.add.Tensor}


def recorded(run: Callable[..., Any], given: tuple[Any, ...]) -> GraphModule:
    """What a function does with tensors, as a list of operations for others of their shapes."""
    with torch.enable_grad(), one_of_shapes():
        program = make_fx(lambda *tensors: run(*tensors))(*given)
    nodes = list(program.graph.nodes)
    if any(overwrites(node) for node in nodes):  # what is left out or moved would then be another value
        return program
    for node in nodes:
        cheaper = CHEAPER.get(node.target)
        if cheaper is not None and (found := cheaper(program.graph, node)) is not None:
            found.meta.setdefault("val", node.meta.get("val"))
            node.replace_all_uses_with(found)
            program.graph.erase_node(node)
    program.graph.eliminate_dead_code()
    program.recompile()
    return program


@contextmanager
def one_of_shapes() -> Iterator[None]:
    """Keep the shapes of all results in one place; torch makes one for each, with a copy of the stack of calls."""
    with tracing(TracingContext(FakeTensorMode(allow_fallback_kernels=True))):
        yield


def overwrites(node: Node) -> bool:
    """Whether an operation changes one of its arguments, as `ReLU(inplace=True)` does."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def shape(node: Node) -> torch.Size:
    found: torch.Size = node.meta["val"].shape
    return found


def call(graph: Graph, before: Node, operation: Any, *args: Any, **more: Any) -> Node:
    """A new operation."""
    with graph.inserting_before(before):
        return graph.call_function(operation, args, more)


def same(graph: Graph, node: Node) -> Node | None:
    """Leave out an operation that does nothing."""
    given = node.args[0]
    factor = node.args[1] if node.target == aten.mul.Scalar else 1
    alike = shape(given) == shape(node) and given.meta["val"].dtype == node.meta["val"].dtype
    return given if alike and factor == 1 else None


def turned(graph: Graph, node: Node) -> Node | None:
    """A matrix product that is turned is the product of turned factors, and lies in memory as it is used."""
    given = node.args[0]
    dims = sorted(dim % len(shape(node)) for dim in node.args[1:])
    if given.target == node.target and sorted(dim % len(shape(node)) for dim in given.args[1:]) == dims:
        return given.args[0]
    if given.target != aten.bmm.default or dims != [1, 2] or len(given.users) > 1:
        return None
    first, second = given.args
    if aten.transpose.int not in (first.target, second.target):
        return None
    return call(graph, node, aten.bmm.default, *(turn(graph, node, each) for each in (second, first)))


def turn(graph: Graph, before: Node, node: Node) -> Node:
    """A batch of matrices turned, or as it was before it was turned."""
    if node.target == aten.transpose.int and sorted(dim % 3 for dim in node.args[1:]) == [1, 2]:
        return node.args[0]
    return call(graph, before, aten.transpose.int, node, 1, 2)


def sum_with_product(graph: Graph, node: Node) -> Node | None:
    """A matrix product to which something is added is one operation."""
    if node.kwargs or not all(isinstance(each, torch.fx.Node) for each in node.args):
        return None
    added, product = sorted(node.args, key=lambda each: each.target == aten.bmm.default)
    if product.target != aten.bmm.default or len(product.users) > 1 or shape(product) != shape(node):
        return None
    if added.meta["val"].ndim != 3 or added.meta["val"].dtype != product.meta["val"].dtype:
        return None
    return call(graph, node, aten.baddbmm.default, added, *product.args)


def in_place(operation: Any, out: str | None = None) -> Callable[[Graph, Node], Node | None]:
    """Overwrite a value that no other operation needs.

    Args:
        operation: the form that does it.
        out: the argument of it that names the memory, if there is one.
    """

    def cheaper(graph: Graph, node: Node) -> Node | None:
        given = node.args[0]
        if given.target not in NEW or len(given.users) > 1 or shape(given) != shape(node):
            return None
        return call(graph, node, operation, *node.args, **({out: given} if out else {}))

    return cheaper


def along_another(graph: Graph, node: Node) -> Node | None:
    """Log-softmax along a short last dimension: another dimension is the last in memory meanwhile."""
    *tensors, dim, last = node.args
    value = node.meta["val"]
    if value.device.type != "cpu" or value.ndim < 2 or dim % value.ndim != value.ndim - 1 or value.shape[-1] >= SHORT:
        return None
    turns = [call(graph, node, aten.transpose.int, each, -1, -2) for each in tensors]
    held = [call(graph, node, aten.clone.default, each, memory_format=torch.contiguous_format) for each in turns]
    found = call(graph, node, node.target, *held, value.ndim - 2, last)
    back = call(graph, node, aten.transpose.int, found, -1, -2)
    return call(graph, node, aten.clone.default, back, memory_format=torch.contiguous_format)  # a view may follow


CHEAPER: dict[Any, Callable[[Graph, Node], Node | None]] = {
    aten.alias.default: same,
    aten.expand.default: same,
    aten.view.default: same,
    aten._unsafe_view.default: same,
    aten.mul.Scalar: same,
    aten.transpose.int: turned,
    aten.add.Tensor: sum_with_product,
    aten.relu.default: in_place(aten.relu_.default),
    aten.threshold_backward.default: in_place(aten.threshold_backward.grad_input, "grad_input"),
    aten._log_softmax.default: along_another,
    aten._log_softmax_backward_data.default: along_another,
}
