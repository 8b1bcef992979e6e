"""A net that starts from other weights: which of them fit, which layers are new, and which are trained."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Loaded:
    """The names of tensors: those that were loaded, those of the net that were not, those that the net lacks."""

    loaded: list[str]
    new: list[str]
    unused: list[str]


def layers(net: nn.Module) -> list[list[str]]:
    """The modules of each layer, by name, in the order in which they were made.

    A layer is a module with weights of its own, such as a convolution, and the norms that follow it: modules whose
    parameters have one dimension.
    """
    found: list[list[str]] = []
    for name, module in net.named_modules():
        own = list(module.parameters(recurse=False))
        if own and (not found or any(parameter.ndim > 1 for parameter in own)):
            found.append([])
        if own:
            found[-1].append(name)
    return found


def load(net: nn.Module, held: Mapping[str, Any], new: Literal["auto", "head"] | Sequence[str] = "auto") -> Loaded:
    """Load weights into a net: all that are not to be new, or none.

    Args:
        net: any module.
        held: weights by name.
        new: what keeps the weights that were drawn. `auto`: the last layer, if its shape is another; `head`: the last
            layer; or names of modules, which may be missing on either side.

    Raises:
        ValueError: the rest does not fit; says what does, and what does not.
    """
    wanted = net.state_dict()
    by_name = () if isinstance(new, str) else tuple(name.rstrip(".") for name in new)
    if strange := [name for name in by_name if not any(is_in(each, [name]) for each in (*wanted, *held))]:
        raise ValueError(f"fine_tune.new: neither the net nor the file has {shown(strange)}")
    unlike = {name for name, value in wanted.items() if name not in held or shape(held[name]) != shape(value)}
    drawn = {name for name in wanted if is_in(name, by_name)}
    if isinstance(new, str):
        head = of_modules(wanted, layers(net)[-1])
        drawn = head if new == "head" or head & unlike else set()
    unused = [name for name in held if name not in wanted]
    strange = [name for name in unused if not is_in(name, by_name)]
    if unlike - drawn or strange:
        raise ValueError(misfit(wanted, held, unlike - drawn, strange))
    loaded = [name for name in wanted if name not in drawn]
    if not loaded:
        raise ValueError("fine_tune.new leaves nothing to load")
    net.load_state_dict({**wanted, **{name: held[name] for name in loaded}})
    return Loaded(loaded, [name for name in wanted if name in drawn], unused)


def misfit(wanted: Mapping[str, Any], held: Mapping[str, Any], unlike: Collection[str], strange: list[str]) -> str:
    """What fits, and what does not."""
    fits = [name for name in wanted if name in held and shape(held[name]) == shape(wanted[name])]
    others = [
        f"{name} {shape(held[name])}, not {shape(wanted[name])}" for name in wanted if name in unlike and name in held
    ]
    missing = [name for name in wanted if name in unlike and name not in held]
    said = [f"{len(fits)} of the net's {len(wanted)} tensors fit ({shown(fits)})"]
    said += [f"of another shape: {shown(others)}"] * bool(others)
    said += [f"the file lacks {shown(missing)}"] * bool(missing)
    said += [f"the net lacks {shown(strange)}"] * bool(strange)
    return "; ".join([*said, "nothing was loaded. fine_tune.new lists modules that are drawn anew, such as [fc]"])


def freeze(net: nn.Module, trained: int | Literal["all"]) -> list[str]:
    """Freeze all parameters but those of the last layers.

    Returns:
        The names of the modules before them, with those that have no parameters, as far as one that has: while others
        train, they must work as in evaluation, or batch norm's statistics and dropout would change the features.

    Raises:
        ValueError: the net has fewer layers.
    """
    if trained == "all":
        return []
    whole = layers(net)
    if trained > len(whole):
        raise ValueError(f"fine_tune.trained={trained}: the net has {len(whole)} layers")
    kept = {name for layer in whole[len(whole) - trained :] for name in layer}
    order = [name for name, _ in net.named_modules()]
    first = min(order.index(name) for name in kept)
    modules = dict(net.named_modules())
    before = [name for name in order[:first] if own_tensors(modules[name]) or not any(modules[name].children())]
    while before and not own_tensors(modules[before[-1]]):  # dropout in front of a trained layer is that one's
        before.pop()
    trainable = {id(each) for name in kept for each in modules[name].parameters(recurse=False)}
    for parameter in net.parameters():
        parameter.requires_grad_(id(parameter) in trainable)
    return before


def own_tensors(module: nn.Module) -> bool:
    """Whether a module itself has parameters or buffers."""
    return any(True for _ in module.parameters(recurse=False)) or any(True for _ in module.buffers(recurse=False))


def of_modules(names: Collection[str], modules: Collection[str]) -> set[str]:
    """The names of tensors that lie in one of these modules, and in none below it."""
    return {name for name in names if name.rpartition(".")[0] in modules}


def is_in(name: str, modules: Collection[str]) -> bool:
    """Whether a tensor is that of this name, or lies in or below a module of it."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def shape(value: Any) -> list[int] | None:
    """A tensor's shape; None of what a module keeps beside them."""
    return list(value.shape) if isinstance(value, Tensor) else None


def shown(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "") or "none"
