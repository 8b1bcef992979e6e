"""Multi-label classification: which of several labels an example has."""

import torch.nn.functional as F
from torch import Tensor

from encore.tasks.supervised import Supervised


class Multilabel(Supervised):
    """Train a net by binary cross-entropy of each label.

    Outputs are logits [n, num_outputs], one per label; targets are 0 or 1, of any type, [n, num_outputs].
    """

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy, mean over examples and labels.

        Raises:
            ValueError: the number of targets differs from the number of labels.
        """
        if outputs.shape != targets.shape:
            raise ValueError(f"targets {list(targets.shape)} are not one for each label of {list(outputs.shape)}")
        return F.binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype))

    def prediction(self, outputs: Tensor) -> Tensor:
        return outputs.sigmoid()

    def truth(self, targets: Tensor) -> Tensor:
        """Labels as integers; mixed labels count as 1 from 0.5 upwards."""
        return (targets >= 0.5).long()
