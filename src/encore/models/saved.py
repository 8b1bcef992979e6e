"""Any net with weights from a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def with_weights(net: nn.Module, file: str | None = None, without: Sequence[str] = ()) -> nn.Module:
    """Load weights from disk into a net, such as those of a published ResNet into one with a new last layer.

    Args:
        net: any module.
        file: its weights by name: a state_dict that `torch.save` wrote, `.safetensors`, or a checkpoint with a
            `state_dict`, such as a run's `checkpoints/best.ckpt`; None: the net keeps its initial weights.
        without: prefixes of names, such as `fc.`, whose weights keep their initial values.
    """
    if file is None:
        return net
    left_out = tuple(without)
    weights = {name: value for name, value in read(Path(file)).items() if not name.startswith(left_out)}
    try:
        missing, unknown = net.load_state_dict(weights, strict=False)
    except RuntimeError as problem:
        raise ValueError(f"file {file} does not fit the net: {problem}") from problem
    missing = [name for name in missing if not name.startswith(left_out)]
    if missing or unknown:
        raise ValueError(
            f"file {file} does not fit the net: the file lacks {shown(missing)}, the net lacks {shown(unknown)}; "
            "`without` lists prefixes of weights to leave out"
        )
    return net


def read(file: Path, of_net: bool = True) -> dict[str, Tensor]:
    """Weights by their names in the net.

    Args:
        file: as `with_weights` takes it.
        of_net: a run's checkpoint holds a whole task: take the weights of its net alone.

    Raises:
        ValueError: the file holds no weights.
    """
    held: Any = safetensors(file) if file.suffix == ".safetensors" else pickled(file)
    weights = held.get("state_dict", held) if isinstance(held, dict) else None
    if not weights or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(f"file {file} holds no weights by name, as `torch.save(net.state_dict(), …)` writes them")
    if not of_net:
        return weights
    net = {name.removeprefix("net."): value for name, value in weights.items() if name.startswith("net.")}
    return net if net and (held is not weights or len(net) == len(weights)) else weights


def pickled(file: Path) -> Any:
    """Read a file written by `torch.save`, restricted to tensors and plain values."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as problem:
        raise ValueError(f"file {file} cannot be read: {problem.strerror}") from problem
    except Exception as problem:  # torch raises all kinds of errors for what is no archive of its own
        if "Unsupported global" in str(problem):  # a class or function, which reading would call
            reason = (
                "it holds more than tensors and plain values; torch.save(net.state_dict(), FILE) writes these alone"
            )
        else:
            reason = "it is truncated, or no file that torch.save wrote"
        raise ValueError(f"file {file} cannot be read: {reason}") from problem


def safetensors(file: Path) -> dict[str, Tensor]:
    """Read a file in Hugging Face's format."""
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as missing:
        raise ValueError(f"file {file} needs safetensors: pip install safetensors") from missing
    try:
        return load_file(file)
    except (OSError, SafetensorError) as problem:
        raise ValueError(f"file {file} cannot be read: {problem}") from problem


def shown(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "nothing"
