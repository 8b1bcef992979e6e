"""A recurrent network that reads token ids."""

import torch
from torch import Tensor, nn


class Reader(nn.Module):
    """A GRU over embedded tokens; the mean of its states is classified.

    Args:
        vocabulary: number of different token ids.
        width: numbers in an embedding, and in a state.
        num_outputs: numbers that it makes of a text.
    """

    def __init__(self, vocabulary: int, width: int, num_outputs: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.recurrent = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, num_outputs)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Outputs [n, num_outputs] of token ids [n, longest] and a mask [n, longest], 0 where there is padding."""
        states, _ = self.recurrent(self.embedding(input_ids))
        mask = attention_mask.unsqueeze(2).to(states.dtype)
        return self.head(torch.sum(states * mask, 1) / mask.sum(1))
