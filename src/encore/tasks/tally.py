"""What is known of an epoch: means of the loss and of metrics over its examples."""

from itertools import groupby
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torchmetrics import Metric, MetricCollection


class MeanLoss(Metric):
    """The mean of batch means, weighted by their examples; a loss that is not a number is not passed over.

    torchmetrics' MeanMetric leaves such losses out, and with `nan_strategy="disable"` it forgets the weights
    of other ranks (torchmetrics 1.9).
    """

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, losses: Tensor, examples: int) -> None:
        """Add batches of equal length: their mean losses [batches], and how many examples each has."""
        self.total += losses.sum() * examples
        self.count += len(losses) * examples

    def compute(self) -> Tensor:
        """The mean, a scalar."""
        return self.total / self.count


class Tally(nn.Module):
    """Means of the loss and of metrics over an epoch's examples, kept on the device.

    Metrics take many batches at once, since each update costs far more than its sums: always the same ones,
    wherever a run was stopped in between.
    """

    batches = 128  # taken at once, at most
    numbers = 2**20  # in their outputs, about

    def __init__(self, scores: MetricCollection) -> None:
        super().__init__()
        self.loss, self.scores = MeanLoss(), scores.clone()
        self.waiting: list[list[Tensor]] = []

    def update(self, loss: Tensor, predicted: Tensor, targets: Tensor) -> None:
        """Add a batch, without waiting for the device.

        Args:
            loss: mean over the batch, a scalar.
            predicted: what the metrics take, [n, …].
            targets: what they compare it with, [n, …].
        """
        self.waiting.append([loss, predicted, targets])
        if len(self.waiting) >= min(self.batches, self.numbers // max(1, predicted.numel())):
            self.count()

    def count(self) -> None:
        """Give the metrics what they have not been given."""
        if not self.waiting:
            return
        device = self.loss.total.device
        if self.waiting[0][1].device != device:  # they came with a checkpoint, before the task was where it trains
            self.waiting = move(self.waiting, device)
        for examples, batches in groupby(self.waiting, lambda batch: len(batch[1])):
            self.loss.update(torch.stack([loss for loss, _, _ in batches]), examples)
        _, predicted, targets = zip(*self.waiting, strict=True)
        self.scores.update(torch.cat(predicted), torch.cat(targets))
        self.waiting.clear()

    def means(self) -> dict[str, Tensor]:
        """The means over all ranks since the last call."""
        self.count()
        means = {"loss": self.loss.compute(), **self.scores.compute()}
        self.loss.reset()
        self.scores.reset()
        return means

    def state(self) -> dict[str, Any]:
        """What has been added since the last call of `means`; nothing between two epochs."""
        added = {
            name: {"updates": metric.update_count, **metric.metric_state}
            for name, metric in self.metrics().items()
            if self.loss.update_count
        }
        return {"metrics": added, "waiting": [list(batch) for batch in self.waiting]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what had been added."""
        self.waiting = state["waiting"]
        metrics = self.metrics()
        for name, values in state["metrics"].items():
            metric = metrics[name]
            for key, value in values.items():
                if key == "updates":
                    metric._update_count = value  # torchmetrics counts updates, but does not keep the count
                else:
                    setattr(metric, key, value)

    def metrics(self) -> dict[str, Metric]:
        """All metrics by name."""
        return {"loss": self.loss, **dict(self.scores.items(keep_base=True, copy_state=True))}


def by_rank(value: Any) -> list[Any]:
    """What every rank has, tensors on the CPU."""
    here = move(value, torch.device("cpu"))
    if not (distributed.is_available() and distributed.is_initialized()):
        return [here]
    gathered: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(gathered, here)
    return gathered


def move(value: Any, device: torch.device) -> Any:
    """Plain values with their tensors copied to a device."""
    if isinstance(value, dict):
        return {key: move(item, device) for key, item in value.items()}
    if isinstance(value, list):
        return [move(item, device) for item in value]
    return value.to(device, copy=True) if isinstance(value, Tensor) else value
