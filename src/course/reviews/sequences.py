"""Nets that read a text in its order."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Recurrent(nn.Module):
    """A GRU or LSTM that reads in both directions; the mean and the maximum of its states are classified.

    Args:
        vocabulary: number of token ids; 0 is padding.
        width: numbers of an embedding, and of a state in each direction.
        num_outputs: numbers for a text.
        cell: GRU or LSTM.
        dropout: share of embeddings' and states' numbers that are zero while it trains.
    """

    def __init__(self, vocabulary: int, width: int, num_outputs: int, cell: str = "GRU", dropout: float = 0.0) -> None:
        super().__init__()
        if cell not in ("GRU", "LSTM"):
            raise ValueError(f"cell must be GRU or LSTM, not {cell}")
        self.embedding = embedding(vocabulary, width)
        self.recurrent = getattr(nn, cell)(width, width, batch_first=True, bidirectional=True)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(4 * width, num_outputs)

    def forward(self, tokens: Tensor, tokens_mask: Tensor) -> Tensor:
        """Outputs [n, num_outputs] of token ids and a mask, both [n, longest]; the mask is 0 where there is padding."""
        lengths = tokens_mask.sum(1).cpu()
        packed = pack_padded_sequence(
            self.dropout(self.embedding(tokens)), lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=tokens.shape[1])
        return self.head(self.dropout(mean_and_maximum(states, tokens_mask)))


class Transformer(nn.Module):
    """A transformer's encoder (Vaswani et al. 2017), normalised before each part; its outputs' mean is classified.

    Args:
        vocabulary: number of token ids; 0 is padding.
        width: numbers of an embedding.
        num_outputs: numbers for a text.
        longest: most tokens of a text.
        layers: of the encoder.
        heads: of attention in each.
        hidden: width of each layer's hidden layer.
        dropout: share of numbers that are zero while it trains.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        num_outputs: int,
        longest: int,
        layers: int = 1,
        heads: int = 2,
        hidden: int = 128,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide width={width}, not {heads}")
        self.embedding = embedding(vocabulary, width)
        self.position = nn.Parameter(0.02 * torch.randn(longest, width))
        layer = nn.TransformerEncoderLayer(width, heads, hidden, dropout, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(2 * width, num_outputs)

    def forward(self, tokens: Tensor, tokens_mask: Tensor) -> Tensor:
        """As of `Recurrent`.

        Raises:
            ValueError: a text is longer than `longest`.
        """
        length = tokens.shape[1]
        if length > len(self.position):
            raise ValueError(
                f"a text has {length} tokens, more than model.longest={len(self.position)}: data.longest cuts texts"
            )
        embedded = self.dropout(self.embedding(tokens) + self.position[:length])
        states = self.encoder(embedded, src_key_padding_mask=tokens_mask == 0)
        return self.head(self.dropout(mean_and_maximum(states, tokens_mask)))


def embedding(vocabulary: int, width: int) -> nn.Embedding:
    """Embeddings so small at first that what is learned soon outweighs what was drawn."""
    table = nn.Embedding(vocabulary, width, padding_idx=0)
    with torch.no_grad():
        table.weight.mul_(0.1)
    return table


def mean_and_maximum(states: Tensor, mask: Tensor) -> Tensor:
    """Both over each text's states, [n, 2 · width], of states [n, longest, width] and a mask [n, longest]."""
    there = mask.unsqueeze(2) == 1
    mean = states.masked_fill(~there, 0).sum(1) / mask.sum(1, keepdim=True)
    return torch.cat([mean, states.masked_fill(~there, -torch.inf).amax(1)], 1)
