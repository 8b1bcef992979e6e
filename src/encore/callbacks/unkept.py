"""What parts of a user's own remember from step to step, and no checkpoint holds: a resumed run would not know it."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor, nn
from torchmetrics import Metric

from encore.across_ranks import move
from encore.callbacks.metric_states import is_plain

# Whose parts keep what they have to: a test has each of ours, killed and resumed.
KNOWN = ("encore.", "pytorch_lightning.", "torch.", "torchmetrics.", "torchvision.")
# By which of these a part may keep its state itself.
KEEPING = ("state_dict", "on_save_checkpoint", "get_extra_state")
# What Optimizer.state_dict has of any optimiser.
OF_OPTIMISERS = ("state", "param_groups")
CPU = torch.device("cpu")

Memory = list[tuple[Any, dict[str, Any]]]


def memory(trainer: pl.Trainer, task: pl.LightningModule) -> Memory:
    """What each part remembers now that might not be kept."""
    return [(part, move(remembered(part), CPU)) for part in parts(trainer, task)]


def parts(trainer: pl.Trainer, task: pl.LightningModule) -> Iterator[Any]:
    """The parts of a run that are a user's own, and do not keep their state."""
    data = getattr(trainer, "datamodule", None)
    augmentations: Iterable[Any] = getattr(task, "augmentations", ())
    nets = (module for module in task.modules() if module is not task and not isinstance(module, Metric))
    for part in (task, data, *trainer.callbacks, *trainer.optimizers, *augmentations, *nets):  # type: ignore[attr-defined]
        if part is not None and not f"{type(part).__module__}.".startswith(KNOWN) and not keeps(part):
            yield part


def keeps(part: Any) -> bool:
    """Whether a part has a method of its own that adds to a checkpoint."""
    known = (pl.LightningModule, pl.LightningDataModule, pl.Callback, torch.optim.Optimizer, nn.Module, object)
    base = next(kind for kind in known if isinstance(part, kind))
    return any(is_overridden(name, part, base) for name in KEEPING if hasattr(base, name)) or (
        base is object and hasattr(part, "state_dict")
    )


def remembered(part: Any) -> dict[str, Any]:
    """The plain attributes of a part that are its author's."""
    kept = ("training", *(OF_OPTIMISERS if isinstance(part, torch.optim.Optimizer) else ()))
    own = {name: value for name, value in vars(part).items() if not name.startswith("_") and name not in kept}
    return {name: value for name, value in own.items() if is_plain(value)}


def forgotten(before: Memory) -> list[str]:
    """What changed since, as `Counter.count`."""
    return [
        f"{type(part).__name__}.{name}"
        for part, then in before
        for name, value in remembered(part).items()
        if name not in then or not same(then[name], value)
    ]


def same(one: Any, other: Any) -> bool:
    """Whether plain values are the same."""
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other.to(CPU))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
