"""One-class learning: a net is trained on normal examples alone, and tested on whether it tells anomalies from them."""

from typing import Any

from torch import Tensor
from torchmetrics import MetricCollection

from encore.tasks.supervised import Supervised
from encore.tasks.tally import Tally


class OneClass(Supervised):
    """Train a net whose output for an example is to be small where that is normal.

    Args:
        settings: those of `Supervised`.

    Outputs are [n, 1]: the loss is their mean, and an example's score is its own. Targets are 1 for anomalies and 0 for
    normal examples, int64 [n]; only metrics see them, and only of the test set, since all other examples are normal. A
    net that has a method `see` is shown all training examples once before it trains.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.train_tally, self.val_tally = (Tally(MetricCollection({})) for _ in range(2))

    def adapt_to(self, data: Any) -> None:
        """Show the net the training examples; a checkpoint restores what it has learned of them."""
        if hasattr(self.net, "see"):
            inputs, _ = data.example(len(data.split.train))
            self.net.eval()
            self.net.see(inputs)
            self.net.train()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.mean()

    def prediction(self, outputs: Tensor) -> Tensor:
        """Scores [n]."""
        return outputs[:, 0]
