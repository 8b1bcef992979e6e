"""A single probability: that of an event in each of several trials."""

import torch
from torch import Tensor, nn


class Proportion(nn.Module):
    """The parameters of a binomial distribution whose probability is learned (a coin, a thumbtack).

    Inputs [n, 1] are numbers of trials; outputs [n, 2] are the trials and the probability.

    Args:
        start: the probability before training.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        if not 0 < start < 1:
            raise ValueError(f"start must be between 0 and 1, not {start}")
        self.theta = nn.Parameter(torch.tensor(float(start)))

    def forward(self, trials: Tensor) -> Tensor:
        """Trials and probability of a batch."""
        return torch.cat([trials, self.theta.expand(len(trials), 1)], 1)
