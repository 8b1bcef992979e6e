"""Classes of unequal frequency: made so, or drawn so that they are not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from encore.data.loaders import Order
from encore.data.split import Split
from encore.errors import ConfigError
from encore.seeding import derive


@dataclass(frozen=True)
class BalancedOrder(Order):
    """As many draws an epoch as there are examples, with replacement, with each class as likely as any other."""

    classes: Tensor | None = None  # of all examples of the source, int64

    def of_epoch(self, epoch: int) -> Tensor:
        assert self.seed is not None
        assert self.classes is not None
        generator = torch.Generator().manual_seed(derive(self.seed, "balanced", epoch))
        names, of, counts = self.classes[self.indices].unique(return_inverse=True, return_counts=True)
        by_class = self.indices[of.argsort(stable=True)]
        drawn = torch.randint(len(names), (len(self.indices),), generator=generator)
        within = torch.rand(len(self.indices), dtype=torch.float64, generator=generator)
        return by_class[counts.cumsum(0)[drawn] - 1 - (within * counts[drawn]).long()]


def balanced(order: Order, classes: Tensor) -> BalancedOrder:
    """`data.sampling=balanced`.

    Args:
        order: the usual one.
        classes: of all examples of the source, int64.

    Raises:
        ConfigError: the order is not shuffled.
    """
    if order.seed is None:
        raise ConfigError("data.sampling=balanced draws the examples of an epoch, and data.shuffle=false does not")
    return BalancedOrder(**vars(order), classes=classes)


def thinned(
    split: Split, classes: Tensor, keep: Mapping[str | int, float], seed: int, *names: Sequence[str] | None
) -> Split:
    """A split with a part of some classes' training and validation examples; the test examples stay.

    Args:
        split: of the source.
        classes: of all its examples, int64.
        keep: by class, its number or name, the fraction that is kept; a smaller one is a subset of a larger.
        seed: of the split.
        names: the classes': the dataset's own, and those of `data.classes`; the first list that has a name counts.

    Raises:
        ConfigError: there is no such class, or nothing of it is left to train on.
    """
    for name, fraction in keep.items():
        number = number_of(name, classes, [list(map(str, each)) for each in names if each])
        parts = {part: of_class(getattr(split, part), classes, number, fraction, seed) for part in ("train", "val")}
        split = replace(split, **parts)
        if not (classes[split.train] == number).any():
            raise ConfigError(f"data.keep: {fraction} of class {name} leaves nothing to train on: raise it")
    return split


def number_of(name: str | int, classes: Tensor, names: Sequence[list[str]]) -> int:
    """The number of a class that a config names."""
    for each in names:
        if name in each:
            return each.index(str(name))
    if str(name).isdecimal() and bool((classes == int(name)).any()):
        return int(name)
    choices = "; or from ".join(map(", ".join, names)) or f"0 to {int(classes.max())}"
    raise ConfigError(f"data.keep: there is no class {name}; choose from {choices}")


def of_class(indices: Tensor, classes: Tensor, number: int, fraction: float, seed: int) -> Tensor:
    """Indices with a part of one class's, in their order."""
    members = (classes[indices] == number).nonzero()[:, 0]
    generator = torch.Generator().manual_seed(derive(seed, "keep", number))
    removed = members[torch.randperm(len(members), generator=generator)[round(fraction * len(members)) :]]
    kept = torch.ones(len(indices), dtype=torch.bool)
    kept[removed] = False
    return indices[kept]
