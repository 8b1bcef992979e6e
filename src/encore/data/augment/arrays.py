"""Which arrays of a batch an augmentation moves together."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from encore.data.batch import AnyBatch, Inputs, Targets

WHOLE = ("inputs", "targets")


def named(arrays: str | Sequence[str]) -> list[str]:
    """The setting `arrays` as a list: `inputs` and `targets`, if each is a single array, or names of a batch's arrays.

    Raises:
        ValueError: it names nothing.
    """
    names = [arrays] if isinstance(arrays, str) else list(arrays)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"arrays must be names, such as [inputs, targets], not {arrays!r}")
    return names


def first(inputs: Inputs, targets: Targets, names: Sequence[str]) -> Tensor:
    """The array that random numbers are drawn for."""
    return part_with(inputs, targets, names[0])[2]


def moved(inputs: Inputs, targets: Targets, names: Sequence[str], move: Callable[[Tensor], Tensor]) -> AnyBatch:
    """The batch with some of its arrays moved alike; the given arrays stay unchanged."""
    for name in names:
        place, key, held = part_with(inputs, targets, name)
        whole: Any = inputs if place == "inputs" else targets
        changed = move(held) if key is None else {**whole, key: move(held)}
        inputs, targets = (changed, targets) if place == "inputs" else (inputs, changed)
    return inputs, targets


def part_with(inputs: Inputs, targets: Targets, name: str) -> tuple[str, str | None, Tensor]:
    """Where an array is: `inputs` or `targets`, its key if that is a dict, and the array.

    Raises:
        ValueError: there is none of that name.
    """
    for place, held in zip(WHOLE, (inputs, targets), strict=True):
        if isinstance(held, Tensor) and name == place:
            return place, None, held
        if isinstance(held, dict) and name in held:
            return place, name, held[name]
    raise ValueError(f"arrays has {name}; choose from {', '.join(names_in(inputs, targets))}")


def names_in(inputs: Inputs, targets: Targets) -> list[str]:
    found = []
    for place, held in zip(WHOLE, (inputs, targets), strict=True):
        if held is not None:
            found += list(held) if isinstance(held, dict) else [place]
    return found


def per_example(draws: Tensor, array: Tensor) -> Tensor:
    """Reshape draws [n] to broadcast against an array [n, …]."""
    return draws.view(-1, *[1] * (array.ndim - 1))
