"""Maximum likelihood: the parameters of a distribution under which the observations are most likely."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from encore.tasks.supervised import Supervised


class Likelihood(Supervised):
    """Train a net whose outputs are a distribution's parameters, by gradient ascent on the targets' likelihood.

    Args:
        distribution: one of torch.distributions, such as `Binomial`; its arguments are the outputs' columns in order.
        logarithm: ascend the log-likelihood. The likelihood itself is flat far from its maximum, in float32 even 0:
            nothing is learned there.
        settings: those of `Supervised`.

    Outputs are parameters [n, num_outputs], targets observations, float32 [n, 1]. The loss is minus the mean
    likelihood of an observation, or minus the mean of its logarithm, in nats.
    """

    def __init__(self, distribution: str, logarithm: bool = True, **settings: Any) -> None:
        super().__init__(**settings)
        kind = getattr(torch.distributions, distribution, None)
        if not (isinstance(kind, type) and issubclass(kind, torch.distributions.Distribution)):
            raise ValueError(f"torch.distributions has no {distribution}; Binomial, Normal and Poisson are some")
        self.distribution: Callable[..., torch.distributions.Distribution] = kind
        self.logarithm = logarithm

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Minus the likelihood of the targets, or minus its logarithm; NaN where parameters are out of bounds.

        Raises:
            ValueError: targets cannot be observations of the distribution.
        """
        if not targets.is_floating_point() or targets.ndim != 2:
            raise ValueError(f"targets {list(targets.shape)} are not numbers: data.num_classes=null says that they are")
        try:
            # Explicit, since torch.compile switches the default off for the whole process.
            given = self.distribution(*outputs[:, :, None].unbind(1), validate_args=True)
        except ValueError:  # so that the run ends as diverged
            return outputs.sum() * math.nan
        log_likelihood: Tensor = given.log_prob(targets)
        return -(log_likelihood if self.logarithm else log_likelihood.exp()).mean()
