"""An epoch's means of the loss and of metrics over its examples."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat, dim_zero_max, dim_zero_mean, dim_zero_min, dim_zero_sum
from torchmetrics.utilities.distributed import gather_all_tensors

from encore.across_ranks import in_one_message, move
from encore.errors import InputError

# Reductions over ranks of a state that has the same shape on each.
OF_ONE_SHAPE = (dim_zero_sum, dim_zero_mean, dim_zero_min, dim_zero_max)


class MeanLoss(Metric):
    """The mean of batch means, weighted by their examples; a NaN loss is not skipped.

    torchmetrics' MeanMetric skips such losses, and with `nan_strategy="disable"` it forgets the weights
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
        return self.total / self.count


class Tally(nn.Module):
    """Means of the loss and of metrics over an epoch's examples, kept on the device.

    Metrics are updated with many batches at once, since an update's overhead far exceeds its work: always with the same
    ones, wherever a run was interrupted.
    """

    batches = 128  # at most this many at once
    numbers = 2**20  # in their outputs, about

    def __init__(self, scores: MetricCollection) -> None:
        super().__init__()
        self.loss, self.scores = MeanLoss(), scores.clone()
        self.waiting: list[list[Any]] = []

    def update(self, loss: Tensor, predicted: Any, targets: Any, examples: int) -> None:
        """Add a batch, without waiting for the device.

        Args:
            loss: mean over the batch, a scalar.
            predicted: what the metrics take, such as a tensor [n, …].
            targets: what the metrics compare it with.
            examples: how many there are in the batch, n.
        """
        if not (isinstance(predicted, Tensor) and isinstance(targets, Tensor)):
            self.count()
            self.loss.update(loss[None], examples)
            self.scores.update(predicted, targets)
            return
        numbers = predicted.numel()
        self.waiting.append([loss, *((predicted, targets) if len(self.scores) else (None, None)), examples])
        if len(self.waiting) >= min(self.batches, self.numbers // max(1, numbers)):
            self.count()

    def count(self) -> None:
        """Flush pending batches to the metrics."""
        if not self.waiting:
            return
        device = self.loss.total.device
        if self.waiting[0][0].device != device:  # restored from a checkpoint before the task moved to its device
            self.waiting = move(self.waiting, device)
        for examples, batches in groupby(self.waiting, lambda batch: batch[3]):
            self.loss.update(torch.stack([batch[0] for batch in batches]), examples)
        if len(self.scores):  # batches of sequences may differ in their length
            for _, batches in groupby(self.waiting, lambda batch: (batch[1].shape[1:], batch[2].shape[1:])):
                _, predicted, targets, _ = zip(*batches, strict=True)
                self.scores.update(torch.cat(predicted), torch.cat(targets))
        self.waiting.clear()

    def means(self) -> dict[str, Any]:
        """Means over all ranks since the last call; a metric may return more than one number."""
        self.count()
        with gathered_at_once([self.loss, *self.scores.values(copy_state=False)]):
            means = {"loss": self.loss.compute(), **self.scores.compute()}
        self.loss.reset()
        self.scores.reset()
        return means

    def state(self) -> dict[str, Any]:
        """What has been added since the last call of `means`; empty between two epochs."""
        added = {
            name: {"updates": metric.update_count, **metric.metric_state}
            for name, metric in self.metrics().items()
            if self.loss.update_count
        }
        return {"metrics": added, "waiting": [list(batch) for batch in self.waiting]}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.waiting = state["waiting"]
        metrics = self.metrics()
        for name, values in state["metrics"].items():
            metric = metrics[name]
            for key, value in values.items():
                if key == "updates":
                    metric._update_count = value  # torchmetrics counts updates, but does not keep the count
                else:
                    setattr(metric, key, value)

    def regrouped(self, states: list[dict[str, Any]], ranks: int) -> list[dict[str, Any]]:
        """The states of all ranks, for another number of ranks.

        Raises:
            InputError: a metric cannot add up what several ranks have counted.
        """
        added = regrouped([state["metrics"] for state in states], self.metrics(), ranks)
        waiting = [[batch for state in states[rank::ranks] for batch in state["waiting"]] for rank in range(ranks)]
        return [{"metrics": one, "waiting": other} for one, other in zip(added, waiting, strict=True)]

    def metrics(self) -> dict[str, Metric]:
        return {"loss": self.loss, **dict(self.scores.items(keep_base=True, copy_state=True))}


@contextmanager
def gathered_at_once(metrics: list[Metric]) -> Iterator[None]:
    """Let metrics find all ranks' states in one message; by itself each one sends three for every state."""
    if not (distributed.is_available() and distributed.is_initialized()):
        yield
        return
    own = [metric for metric in metrics if metric.dist_sync_fn is None and metric.process_group is None]
    states = {
        id(state): state
        for metric in own
        for name, reduction in metric._reductions.items()
        if reduction in OF_ONE_SHAPE and isinstance(state := getattr(metric, name), Tensor)
        if state.device == metrics[0].device
    }
    by_rank = dict(zip(states, in_one_message(list(states.values())), strict=True))

    def gather(state: Tensor, group: Any = None) -> list[Tensor]:
        return by_rank[id(state)] if id(state) in states else gather_all_tensors(state, group)

    for metric in own:
        metric.dist_sync_fn = gather
    try:
        yield
    finally:
        for metric in own:
            metric.dist_sync_fn = None


def regrouped(by_rank: list[dict[str, Any]], metrics: dict[str, Any], ranks: int) -> list[dict[str, Any]]:
    """The states of metrics by name on each rank, for another number of ranks; some may have none.

    Raises:
        InputError: a metric cannot add up what several ranks have counted.
    """
    groups = [by_rank[rank::ranks] for rank in range(ranks)]
    return [
        {
            name: added([states[name] for states in group if name in states], name, metrics[name])
            for name in dict.fromkeys(name for states in group for name in states)
        }
        for group in groups
    ]


def added(states: list[dict[str, Any]], name: str, metric: Metric) -> dict[str, Any]:
    """What several ranks have counted with a metric, in one state."""
    if len(states) == 1:
        return states[0]
    total: dict[str, Any] = {"updates": sum(state["updates"] for state in states)}
    for key, reduction in metric._reductions.items():
        values = [state[key] for state in states]
        if isinstance(values[0], list):
            total[key] = [item for value in values for item in value]
        elif reduction in (dim_zero_sum, dim_zero_max, dim_zero_min):
            total[key] = reduction(torch.stack(values))
        elif reduction is dim_zero_cat:
            total[key] = torch.cat(values)
        else:
            raise InputError(
                f"the run was stopped within an epoch, and {name} ({type(metric).__name__}) cannot add up what "
                f"{len(states)} ranks have counted of it: continue it on its own number of ranks to the epoch's end"
            )
    return total
