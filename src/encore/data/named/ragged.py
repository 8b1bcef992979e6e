"""Sequences of several lengths, as one flat array with offsets."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ragged:
    """Sequences stored one after another.

    Attributes:
        values: of all of them, [total, …].
        offsets: where each one begins, and where the last one ends, int64 [n + 1], on the CPU.
    """

    values: Tensor
    offsets: Tensor

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Tensor:
        """Lengths of the sequences, int64 [n]."""
        return self.offsets.diff()

    def is_even(self) -> bool:
        """Whether all sequences have the same length."""
        return len(self) > 0 and bool((self.lengths == self.lengths[0]).all())

    def as_tensor(self) -> Tensor:
        """Sequences of equal length, [n, length, …]."""
        return self.values.view(len(self), int(self.lengths[0]), *self.values.shape[1:])

    def to(self, device: torch.device) -> "Ragged":
        return Ragged(self.values.to(device), self.offsets)

    def of(self, indices: Tensor, longest: int | None = None) -> tuple[Tensor, Tensor]:
        """Selected sequences: their values, [total, …], and their lengths, int64 [k] on the CPU.

        Args:
            indices: which ones, int64 [k], on the CPU.
            longest: longer sequences are truncated to this length.
        """
        starts = self.offsets.index_select(0, indices)
        lengths = self.offsets.index_select(0, indices + 1) - starts
        if longest is not None:
            lengths = lengths.clamp(max=longest)
        device, total = self.values.device, int(lengths.sum())
        shift = starts - (lengths.cumsum(0) - lengths)
        # with the size known, nothing waits for the device
        shifts = torch.repeat_interleave(shift.to(device), lengths.to(device), output_size=total)
        return self.values.index_select(0, torch.arange(total, device=device) + shifts), lengths


def joined(rows: Sequence[Tensor]) -> Ragged:
    """Concatenate sequences [length, …]."""
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.long)
    return Ragged(torch.cat(list(rows)), ends(lengths))


def ends(lengths: Tensor) -> Tensor:
    """Offsets of sequences of these lengths, int64 [n + 1]."""
    return torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])


def padded(values: Tensor, lengths: Tensor, length: int | None, fill: float) -> tuple[Tensor, Tensor]:
    """Padded sequences, [n, length, …], and a mask, int64 [n, length]: 1 for values, 0 for padding.

    Args:
        values: one after another, [total, …], on any device.
        lengths: int64 [n], on the CPU.
        length: padded length; None: that of the longest.
        fill: the padding value.
    """
    most = (int(lengths.max()) if len(lengths) else 0) if length is None else length
    steps = torch.arange(most, device=values.device)
    there = steps < lengths.to(values.device)[:, None]
    if not len(values):
        return values.new_full((len(lengths), most, *values.shape[1:]), fill), there.long()
    starts = (lengths.cumsum(0) - lengths).to(values.device)
    places = (starts[:, None] + steps).clamp(max=len(values) - 1)
    rows = values[places]
    return rows.masked_fill(~there.view(*there.shape, *[1] * (values.ndim - 1)), fill), there.long()
