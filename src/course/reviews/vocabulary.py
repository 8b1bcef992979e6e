"""The vocabulary: the most frequent words of the training examples, numbered."""

from collections.abc import Sequence

import torch
from torch import Tensor

from course.reviews.words import number
from encore.data.named.ragged import Ragged, ends
from encore.data.prepare import Arrays
from encore.errors import InputError

# Numbers that are no word's, as Keras has them.
PADDING, START, UNKNOWN, UNUSED = range(4)
SPECIAL = 4


class Vocabulary:
    """Words as token ids: 4 is the most frequent word; 0, 1, 2 and 3 are padding, start, unknown and unused.

    Args:
        size: how many ids there are, the four special ones among them; all rarer words are unknown.
        longest: most tokens of a text, its start among them: of a longer one the last words are kept, as Keras does,
            where a review comes to its verdict. None: all.
        array: the sequences of words' numbers.

    Attributes:
        words: the words' numbers by token id, from 4 on, int64 [size - 4] or fewer.
        counts: how often the training examples have each, int64.
    """

    def __init__(self, size: int, longest: int | None = None, array: str = "inputs.tokens") -> None:
        if size <= SPECIAL:
            raise ValueError(f"size must be at least {SPECIAL + 1}, not {size}: {SPECIAL} ids are special")
        if longest is not None and longest < 2:
            raise ValueError(f"longest must be at least 2, the start and a word, not {longest}")
        self.size, self.longest, self.array = size, longest, array
        self.set(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long))

    def set(self, words: Tensor, counts: Tensor) -> None:
        self.words, self.counts = words, counts
        self.sorted, self.ids = words.sort()

    def fit(self, arrays: Arrays) -> None:
        """Count the words; of two equally frequent ones the lower number comes first."""
        words, counts = self.sequences(arrays).values.unique(return_counts=True)
        order = counts.argsort(descending=True, stable=True)[: self.size - SPECIAL]
        self.set(words[order], counts[order])

    def transform(self, arrays: Arrays) -> Arrays:
        """Token ids, with the start at the beginning of each sequence."""
        held = self.sequences(arrays)
        kept = held.lengths if self.longest is None else held.lengths.clamp(max=self.longest - 1)
        skipped = held.offsets[1:] - kept - (kept.cumsum(0) - kept)
        places = torch.arange(int(kept.sum())) + skipped.repeat_interleave(kept)
        offsets = ends(kept + 1)
        tokens = torch.full((int(offsets[-1]),), START, dtype=torch.int32)
        inside = torch.ones(len(tokens), dtype=torch.bool)
        inside[offsets[:-1]] = False
        tokens[inside] = self.of(held.values[places])
        return {**arrays, self.array: Ragged(tokens, offsets)}

    def of(self, words: Tensor) -> Tensor:
        """The ids of words' numbers, int32 [n]."""
        if not len(self.words):
            return torch.full((len(words),), UNKNOWN, dtype=torch.int32)
        places = torch.searchsorted(self.sorted, words).clamp(max=len(self.sorted) - 1)
        known = self.sorted[places] == words
        return torch.where(known, self.ids[places] + SPECIAL, UNKNOWN).to(torch.int32)

    def tokens(self, words: Sequence[str]) -> Tensor:
        """A text's token ids, int32: its start, and its words or the last of them."""
        kept = words if self.longest is None else words[max(0, len(words) - self.longest + 1) :]
        ids = self.of(torch.tensor([number(word) for word in kept], dtype=torch.long))
        return torch.cat([torch.tensor([START], dtype=torch.int32), ids])

    def sequences(self, arrays: Arrays) -> Ragged:
        held = arrays.get(self.array)
        if not isinstance(held, Ragged) or held.values.is_floating_point() or held.values.ndim != 1:
            raise InputError(f"data.prepare.array={self.array} must be sequences of words' numbers")
        return Ragged(held.values.long(), held.offsets)
