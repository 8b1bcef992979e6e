"""The graph of a net for TensorBoard: its operations in one forward pass, module by module."""

import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode


def graph(net: nn.Module, example: Tensor) -> GraphDef:
    """Run a net once in evaluation mode, and record its operations.

    A node is a torch function that was called, `MLP/layers/0/linear`; or a parameter or buffer that one was called
    with, `MLP/layers/0/weight`; or `input`, or `output`. Its inputs are the nodes that made what it was called with,
    and its attribute `_output_shapes` holds the shape of each tensor that it made. What torch functions call in turn is
    not shown. A tensor that no torch function made is a node `tensor` without inputs, unless a module returned it: then
    the node is the module.

    Args:
        net: the net; its modes and the states of torch's generators (CPU and CUDA) are restored afterwards.
        example: inputs of a batch, [n, *shape], on the net's device.

    Raises:
        Exception: whatever the net raises.
    """
    recording, example = Recording(net), example.clone()
    recording.add("input", "Input", [], [example])
    kept = torch.random.fork_rng([example.device] if example.is_cuda else [], device_type="cuda")
    # Compiled code does not call torch functions; there is none before the compiler has been loaded.
    compiles = "torch._dynamo.eval_frame" in sys.modules
    eager = torch.compiler.set_stance("force_eager") if compiles else nullcontext()
    with evaluating(net), kept, eager, torch.no_grad(), recording.modules(), recording:
        outputs = net(example)
    recording.add("output", "Output", tensors(outputs), tensors(outputs))
    return GraphDef(node=recording.nodes)


class Recording(TorchFunctionMode):
    """The nodes of a net's forward pass. While active, it sees every torch function call except nested ones."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.nodes: list[NodeDef] = []
        self.paths = {module: path_of(net, name) for name, module in net.named_modules()}
        self.within = [path_of(net)]  # the paths of the modules that are being called
        self.taken = set(self.paths.values())  # or else a function's node would appear inside a module of the same name
        self.repeats: dict[str, int] = {}
        self.held: dict[int, tuple[Tensor, str, str]] = {}  # by their ids: the net's own, their names and kinds
        for op, named in (("Parameter", net.named_parameters()), ("Buffer", net.named_buffers())):
            self.held |= {id(tensor): (tensor, path_of(net, name), op) for name, tensor in named}
        # By a tensor's id, which may be reused later: a weak reference to the tensor, and which output it is.
        self.made: dict[int, tuple[weakref.ref[Tensor], str]] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        inputs = tensors((args, kwargs))
        versions = [version(tensor) for tensor in inputs]
        result = func(*args, **(kwargs or {}))
        changed = [tensor for tensor, before in zip(inputs, versions, strict=True) if version(tensor) != before]
        name = name_of(func)
        if not changed and not name.endswith("_") and any(result is tensor for tensor in inputs):
            # Such as dropout in evaluation mode: other uses of its input must not seem to come from the dropout.
            result = another(result)
        if outputs := tensors((result, changed)):
            self.add(f"{self.within[-1]}/{name}", name, inputs, outputs)
        return result

    @contextmanager
    def modules(self) -> Iterator[None]:
        """Track which module of the net is being called."""

        def enter(module: nn.Module, args: Any) -> None:
            if module in self.paths:
                self.within.append(self.paths[module])

        def leave(module: nn.Module, args: Any, outputs: Any) -> None:
            if module in self.paths:
                scope = self.within.pop()
                if unknown := [tensor for tensor in tensors(outputs) if not self.knows(tensor, held=True)]:
                    name = type(module).__name__
                    self.add(f"{scope}/{name}", name, tensors(args), unknown)

        handles = [
            register_module_forward_pre_hook(enter),
            register_module_forward_hook(leave, always_call=True),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def add(self, name: str, op: str, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Add the node that made some tensors from others."""
        sources = [self.source(tensor) for tensor in inputs]
        name = self.unique(name)
        shapes = AttrValue.ListValue(shape=[shape_of(tensor) for tensor in outputs])
        attributes = {"_output_shapes": AttrValue(list=shapes)}
        self.nodes.append(NodeDef(name=name, op=op, input=sources, attr=attributes))
        for number, tensor in enumerate(outputs):
            self.made[id(tensor)] = weakref.ref(tensor), f"{name}:{number}" if number else name

    def source(self, tensor: Tensor) -> str:
        """The node that made a tensor, followed by `:` and a number unless it is the first output."""
        if not self.knows(tensor):
            _, name, op = self.held.get(id(tensor), (tensor, f"{self.within[-1]}/tensor", "Tensor"))
            self.add(name, op, [], [tensor])
        return self.made[id(tensor)][1]

    def knows(self, tensor: Tensor, held: bool = False) -> bool:
        """Whether a node made the tensor; with `held`, parameters and buffers count, too."""
        made = id(tensor) in self.made and self.made[id(tensor)][0]() is tensor
        return made or (held and id(tensor) in self.held)

    def unique(self, name: str) -> str:
        """The name, with the first of _1, _2, … appended that makes it unique, if needed."""
        found = name
        while found in self.taken:
            self.repeats[name] = self.repeats.get(name, 0) + 1
            found = f"{name}_{self.repeats[name]}"
        self.taken.add(found)
        return found


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Put the net in evaluation mode for the block; each module's mode is restored afterwards."""
    modes = [(module, module.training) for module in net.modules()]
    try:
        net.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


def path_of(net: nn.Module, name: str = "") -> str:
    """A module's, parameter's or buffer's path, `MLP/layers/0`; without `:`, which means a number in TensorBoard."""
    return "/".join([type(net).__name__, *name.split(".")] if name else [type(net).__name__]).replace(":", "_")


def name_of(function: Callable[..., Any]) -> str:
    """A torch function's name, without the underscores of magic methods; for a property, the property's name."""
    name = getattr(function, "__name__", type(function).__name__)
    if name == "__get__":
        name = getattr(getattr(function, "__self__", None), "__name__", "property")
    return name[2:-2] if name.startswith("__") and name.endswith("__") else name


def shape_of(tensor: Tensor) -> TensorShapeProto:
    """A tensor's shape; nested tensors have none."""
    if tensor.is_nested:
        return TensorShapeProto(unknown_rank=True)
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in tensor.shape])


def tensors(values: Any) -> list[Tensor]:
    """All tensors in nested tuples, lists and dicts, each once."""
    found: dict[int, Tensor] = {}
    rest = [values]
    while rest:
        value = rest.pop()
        if isinstance(value, Tensor):
            found.setdefault(id(value), value)
        elif isinstance(value, (tuple, list)):
            rest.extend(reversed(value))
        elif isinstance(value, dict):
            rest.extend(reversed(value.values()))
    return list(found.values())


def version(tensor: Tensor) -> int:
    """How often a tensor has been changed in place; unknown for tensors made in torch.inference_mode."""
    return 0 if tensor.is_inference() else tensor._version


def another(tensor: Tensor) -> Tensor:
    """A view of the tensor as a new object, if this kind of tensor has views."""
    plain = type(tensor) is Tensor and tensor.layout == torch.strided and not tensor.is_nested
    return tensor[...] if plain else tensor
