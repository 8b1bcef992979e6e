"""The area under the ROC curve, of scores of any size."""

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torchmetrics import Metric


class AUROC(Metric):
    """The probability that an anomaly has a greater score than a normal example; NaN where there are not both.

    torchmetrics' own takes scores above 1 for logits, and their sigmoid makes large ones equal (torchmetrics 1.9).
    """

    full_state_update = False
    scores: list[Tensor]
    anomalous: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("anomalous", [], dist_reduce_fx="cat")

    def update(self, scores: Tensor, anomalous: Tensor) -> None:
        """Add scores [n], and whether each is an anomaly's, int64 [n]."""
        self.scores.append(scores)
        self.anomalous.append(anomalous)

    def compute(self) -> Tensor:
        scores, anomalous = (
            (torch.cat(held) if isinstance(held, list) else held).cpu() for held in (self.scores, self.anomalous)
        )
        both = 0 < int(anomalous.sum()) < len(anomalous)
        return torch.tensor(roc_auc_score(anomalous.numpy(), scores.numpy()) if both else torch.nan)
