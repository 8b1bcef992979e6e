"""Binary classification: whether an example belongs to a class."""

import torch
import torch.nn.functional as F
from torch import Tensor

from encore.tasks.supervised import Supervised


class Binary(Supervised):
    """Train a net whose single output's sigmoid is the probability of class 1, by binary cross-entropy.

    Outputs are logits [n, 1]; targets are class numbers 0 and 1, int64 [n]. Metrics take probabilities, and
    count those above 0.5 in float32 as class 1: a logit below about 1e-7 does not reach that.
    """

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy, in nats.

        Raises:
            ValueError: there is more than one output per example, or targets are probabilities of several classes.
        """
        if outputs.shape[1:] != (1,) or targets.ndim != 1:
            raise ValueError(
                f"task=binary has one output per example and class numbers, not outputs {list(outputs.shape)} and "
                f"targets {list(targets.shape)}; task=classification has one output per class"
            )
        return F.binary_cross_entropy_with_logits(outputs[:, 0], targets.to(outputs.dtype))

    def prediction(self, outputs: Tensor) -> Tensor:
        """Probabilities of class 1, [n]."""
        return outputs[:, 0].sigmoid()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Probabilities of both classes, [n, 2]."""
        one = outputs.sigmoid()
        return torch.cat([1 - one, one], 1)

    def decision(self, outputs: Tensor) -> Tensor:
        """Class 1 where its probability exceeds 0.5 in the outputs' own precision."""
        return (self.prediction(outputs) > 0.5).long()
