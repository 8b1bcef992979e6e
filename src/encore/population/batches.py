"""The batches of all members of a population, stacked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from encore.data.loaders import Loader, Order, Resident
from encore.population.member import Member

KEPT = 2**24  # numbers of normalised examples that are kept between epochs: 64 MB


class Pass(NamedTuple):
    """A batch of each of some members, stacked: inputs and targets [rows, n, …]."""

    members: list[Member]
    inputs: Tensor
    targets: Tensor


class Batches:
    """Puts members' batches together.

    Args:
        members: those that train; each knows its row.
        rows: number of rows.
        constant: whether all epochs have the same batches.
        augmented: whether each member's batches are changed before the step.

    Attributes:
        common: a loader from whose examples the batches of all can be gathered at once; None if there is none.
    """

    def __init__(self, members: list[Member], rows: int, constant: bool, augmented: bool) -> None:
        self.members, self.rows, self.constant, self.augmented = members, rows, constant, augmented
        self.common = common(members)
        self.at_once: Pass | None = None  # batches that were gathered so
        self.normalized: Tensor | None = None  # all of its examples, where they are few
        self.chosen: Sequence[Tensor] = ()  # which of them each row has, [rows, n], by the index of the batch
        self.kept: dict[int, dict[Member, Any]] = {}  # batches by index, where all epochs have the same
        self.passes: dict[tuple[int, tuple[int, ...]], list[Pass]] = {}
        self.validation: list[Pass] | None = None  # the passes of a validation, once they are known

    def are_kept(self, member: Member) -> bool:
        """Whether the batches of an epoch are there already."""
        return self.constant and member in self.kept.get(0, {})

    def given(self, members: list[Member], index: int) -> dict[Member, Any]:
        """The next batch of each member."""
        if self.common is not None:
            return self.gathered(self.common, members, index)
        if not self.constant:
            return {member: next(member.batches) for member in members}
        kept = self.kept.setdefault(index, {})
        for member in members:
            if member not in kept:
                kept[member] = next(member.batches)
        return {member: kept[member] for member in members}

    def gathered(self, loader: Any, members: list[Member], index: int) -> dict[Member, Any]:
        """The same, of examples that are all members'."""
        if index == 0:
            entered = {member: member.loader.entered() for member in members}
            chosen = self.stacked({member: indices for member, (indices, _) in entered.items()})
            self.chosen = chosen.to(loader.device).split(entered[members[0]][1], 1)
            if self.normalized is None and loader.gather.inputs.numel() <= KEPT:
                self.normalized = loader.normalize(loader.gather.inputs)
        which = self.chosen[index]
        held = loader.gather.inputs if self.normalized is None else self.normalized
        inputs, targets = (each.index_select(0, which.flatten()) for each in (held, loader.gather.targets))
        if self.normalized is None:
            inputs = loader.normalize(inputs)
        inputs, targets = (each.view(*which.shape, *each.shape[1:]) for each in (inputs, targets))
        self.at_once = Pass(members, inputs, targets)
        by_row = list(zip(inputs.unbind(), targets.unbind(), strict=True))
        return {member: by_row[member.row] for member in members}

    def passes_of(self, batches: dict[Member, Any], index: int) -> list[Pass]:
        """The passes that a step takes: one for all batches of one length."""
        if self.at_once is not None and not self.augmented:
            return [self.at_once]
        key = index, tuple(member.row for member in batches)
        if key in self.passes:
            return self.passes[key]
        found = self.grouped(batches)
        if self.constant:
            self.passes[key] = found
        return found

    def grouped(self, batches: dict[Member, Any]) -> list[Pass]:
        """Batches, one of each member, by their shapes."""
        by_shape: dict[Any, list[Member]] = {}
        for member, (inputs, targets) in batches.items():
            by_shape.setdefault((inputs.shape, targets.shape), []).append(member)
        return [
            Pass(members, *(self.stacked({member: batches[member][part] for member in members}) for part in (0, 1)))
            for members in by_shape.values()
        ]

    def stacked(self, held: dict[Member, Tensor]) -> Tensor:
        """What each of some members has, [rows, …]; the first one's in the other rows."""
        by_row = {member.row: tensor for member, tensor in held.items()}
        first = next(iter(by_row.values()))
        return torch.stack([by_row.get(row, first) for row in range(self.rows)])

    def validation_passes(self) -> list[Pass]:
        """The passes of a validation, which are the same in every epoch."""
        if self.validation is not None:
            return self.validation
        held = {member: list(member.data.val_dataloader()) for member in self.members}
        found: list[Pass] = []
        for index in range(max(map(len, held.values()))):
            found += self.grouped({member: each[index] for member, each in held.items() if index < len(each)})
        if sum(each.inputs.numel() for each in found) <= KEPT:
            self.validation = found
        return found


def common(members: list[Member]) -> Loader | None:
    """A loader that has the training examples of all members, in memory, in batches of the same lengths; or None."""
    loader, *others = [member.loader for member in members]
    plain = all(type(each) is Loader and type(each.gather) is Resident for each in (loader, *others))
    if not plain or not all(type(each.order) is Order and each.order.seed is not None for each in (loader, *others)):
        return None
    same = all(same_examples(loader, each) for each in others)
    return loader if same else None


def same_examples(one: Loader, other: Loader) -> bool:
    """Whether two loaders have the same examples, as many in an epoch, and batches of the same lengths."""
    lengths = ((len(each.order.indices), each.order.batch_size, each.order.drop_last) for each in (one, other))
    if len(set(lengths)) > 1:
        return False
    pairs = [(getattr(one.normalize, name), getattr(other.normalize, name)) for name in ("center", "scale")]
    pairs += [(getattr(one.gather, name), getattr(other.gather, name)) for name in ("inputs", "targets")]
    return all(mine.dtype == theirs.dtype and torch.equal(mine, theirs) for mine, theirs in pairs)
