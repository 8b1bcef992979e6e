"""The batches of all members of a population, stacked."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from encore.population.member import Member

KEPT = 2**24  # numbers of validation batches that are kept between epochs: 64 MB


class Pass(NamedTuple):
    """A batch of each of some members, stacked: inputs and targets [rows, n, …]."""

    members: list[Member]
    inputs: Tensor
    targets: Tensor


class Batches:
    """Puts members' batches together.

    Attributes:
        members: those that train.
        rows: number of rows.
        constant: whether all epochs have the same batches.
        kept, passes: the batches by index, and what was made of them, if so.
        validation: the passes of a validation, once they are known.
    """

    members: list[Member]
    rows: int
    constant: bool
    kept: dict[int, dict[Member, Any]]
    passes: dict[tuple[int, tuple[int, ...]], list[Pass]]
    validation: list[Pass] | None

    def given(self, members: list[Member], index: int) -> dict[Member, Any]:
        """The next batch of each member."""
        if not self.constant:
            return {member: next(member.batches) for member in members}
        kept = self.kept.setdefault(index, {})
        for member in members:
            if member not in kept:
                kept[member] = next(member.batches)
        return {member: kept[member] for member in members}

    def passes_of(self, batches: dict[Member, Any], index: int) -> list[Pass]:
        """The passes that a step takes: one for all batches of one length."""
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
