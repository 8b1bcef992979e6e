"""Nets that read a text as a bag: its words in any order, or pairs of words."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Odd numbers without a pattern in their bits: two words' ids become one number (Knuth's multiplicative hashing).
MIXED = (2654435761, 40503)


class Mean(nn.Module):
    """The mean of the tokens' embeddings, and a linear layer (Iyyer et al. 2015, without hidden layers).

    Args:
        vocabulary: number of token ids.
        width: numbers of an embedding.
        num_outputs: numbers for a text.
        dropout: share of the mean's numbers that are zero while it trains.
        pairs: rows for the embeddings of pairs of words that follow each other; several pairs may share one. 0: none.
    """

    def __init__(self, vocabulary: int, width: int, num_outputs: int, dropout: float = 0.0, pairs: int = 0) -> None:
        super().__init__()
        if min(vocabulary, width) < 1 or pairs < 0:
            raise ValueError("vocabulary and width must be at least 1, and pairs at least 0")
        self.embedding = nn.Embedding(vocabulary, width)
        self.pairs = nn.Embedding(pairs, width) if pairs else None
        for table in (self.embedding, self.pairs):
            if table is not None:
                nn.init.normal_(table.weight, std=0.1)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(width, num_outputs)

    def forward(self, tokens: Tensor, tokens_offsets: Tensor) -> Tensor:
        """Outputs [n, num_outputs] of texts' tokens [total], one after another, and where each begins [n]."""
        mean = F.embedding_bag(tokens, self.embedding.weight, tokens_offsets, mode="mean")
        if self.pairs is not None:
            rows, offsets = paired(tokens, tokens_offsets, self.pairs.num_embeddings)
            mean = mean + F.embedding_bag(rows, self.pairs.weight, offsets, mode="mean")
        return self.head(self.dropout(mean))


def paired(tokens: Tensor, offsets: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """The rows of the pairs that texts consist of, [total - n], and where each text's pairs begin, [n]."""
    long = tokens.long()
    mixed = (long[:-1] * MIXED[0] + long[1:] * MIXED[1]) % rows
    inside = torch.ones(len(tokens), dtype=torch.bool, device=tokens.device)
    inside[offsets] = False  # no pair ends at a text's first token
    return mixed[inside[1:]], offsets - torch.arange(len(offsets), device=offsets.device)
