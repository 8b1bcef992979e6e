"""An epoch's means of the loss and of metrics, for all members of a population."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import BinaryAccuracy, MulticlassAccuracy

from encore.population.network import Passed
from encore.tasks.tally import Tally

# Which examples of predictions and truth, [rows, n, …], are right, bool [rows, n].
Right = Callable[[Tensor, Tensor], Tensor]


def right(metric: Metric) -> Right | None:
    """How to count for all rows what a metric counts; None of a metric that is not a share of right examples."""
    if getattr(metric, "ignore_index", None) is not None or getattr(metric, "multidim_average", "") != "global":
        return None
    if type(metric) is MulticlassAccuracy and metric.average == "micro" and metric.top_k == 1:
        return lambda predicted, truth: predicted.argmax(2) == truth
    if type(metric) is BinaryAccuracy:
        threshold = metric.threshold
        return lambda predicted, truth: (predicted > threshold) == truth
    return None


class Scores:
    """Means of one split since the last call of `means`.

    Args:
        tallies: those of the members, which count where a metric cannot be counted for all rows at once.
        rows: of each member.
        total: number of rows.
    """

    def __init__(self, tallies: Sequence[Tally], rows: Sequence[int], total: int, device: torch.device) -> None:
        self.tallies, self.rows, self.device = tallies, rows, device
        found = {name: right(metric) for name, metric in tallies[0].scores.items()}
        self.right = {name: each for name, each in found.items() if each is not None}
        self.one_by_one = len(self.right) < len(found)
        self.total = total
        self.begin()

    def begin(self) -> None:
        self.sums = {name: torch.zeros(2, self.total, device=self.device) for name in ("loss", *self.right)}

    def update(self, passed: Passed, examples: int, rows: Sequence[int] | None) -> None:
        """Add a batch of each row.

        Args:
            passed: what a pass gave.
            examples: in each batch.
            rows: which count; None: all.
        """
        losses, predicted, truth, _ = passed
        if self.one_by_one:
            for tally, row in zip(self.tallies, self.rows, strict=True):
                if rows is None or row in rows:
                    tally.update(losses[row], predicted[row], truth[row], examples)
            return
        self.add("loss", losses * examples, examples, rows)
        for name, each in self.right.items():
            found = each(predicted, truth).flatten(1)
            self.add(name, found.sum(1), found.shape[1], rows)

    def add(self, name: str, values: Tensor, number: int, rows: Sequence[int] | None) -> None:
        """Add to a sum and to the number of what was summed."""
        total, count = self.sums[name]
        if rows is None:
            total += values
            count += number
        else:
            total[rows] += values[rows]
            count[rows] += number

    def means(self) -> list[dict[str, Any]]:
        """The means of each member."""
        if self.one_by_one:
            return [tally.means() for tally in self.tallies]
        values = torch.stack([total / count for total, count in self.sums.values()]).cpu()
        names = list(self.sums)
        self.begin()
        return [dict(zip(names, values[:, row].unbind(), strict=True)) for row in self.rows]
