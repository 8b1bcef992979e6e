"""Inputs and outputs of any structure: one tensor, tensors by name, or an object that holds them."""

from typing import Any

from torch import Tensor


def outputs_of(made: Any) -> Any:
    """The outputs themselves if a net returns an object with `logits`."""
    return made if isinstance(made, Tensor) else getattr(made, "logits", made)


def detached(outputs: Any) -> Any:
    """Outputs detached from the graph, including tensors inside dicts and lists."""
    if isinstance(outputs, Tensor):
        return outputs.detach()
    if isinstance(outputs, dict):
        return {name: detached(value) for name, value in outputs.items()}
    return tuple(map(detached, outputs)) if isinstance(outputs, list | tuple) else outputs


def count(inputs: Any) -> int:
    """Number of examples in a batch's inputs."""
    return len(next(iter(inputs.values())) if isinstance(inputs, dict) else inputs)


def shapes_of(inputs: Any) -> Any:
    if isinstance(inputs, dict):
        return {name: list(value.shape) for name, value in inputs.items()}
    return list(inputs.shape)
