"""Cross-entropy whose examples count by their class, and by how wrong they are."""

import torch
import torch.nn.functional as F
from torch import Tensor


def balanced_weights(counts: Tensor) -> Tensor:
    """Weights of classes, so that all classes count alike and the mean over examples is 1: n / (classes · count).

    Args:
        counts: training examples of each class, int64 [classes]; a class without any has the weight 0.
    """
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts.clamp(min=1))
    return torch.where(present, weights, 0.0).float()


def weighted_cross_entropy(
    outputs: Tensor, targets: Tensor, weights: Tensor | None, gamma: float, label_smoothing: float
) -> Tensor:
    """Mean over examples of w(y) · (1 - p(y))^γ · cross-entropy, in nats.

    With γ above 0 this is the focal loss (Lin et al. 2017, Focal Loss for Dense Object Detection).

    Args:
        outputs: logits [n, classes].
        targets: class numbers [n], or probabilities [n, classes], whose weight and p are their means.
        weights: of the classes, [classes]; None: 1.
        gamma: γ.
        label_smoothing: of the cross-entropy.
    """
    each = F.cross_entropy(outputs, targets, reduction="none", label_smoothing=label_smoothing)
    mixed = targets.ndim > 1
    if gamma:
        chances = outputs.softmax(1)
        right = (chances * targets).sum(1) if mixed else chances.gather(1, targets[:, None])[:, 0]
        each = (1 - right).clamp(min=0) ** gamma * each
    if weights is not None:
        each = each * (targets @ weights.to(targets.dtype) if mixed else weights[targets])
    return each.mean()
