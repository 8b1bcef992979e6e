"""The states of torchmetrics' metrics within an epoch, and what a checkpoint may hold."""

from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from encore.across_ranks import move


def metric_states(task: pl.LightningModule) -> dict[str, Any]:
    """States of a task's metrics by name in the middle of an epoch; Lightning keeps only persistent ones.

    A task with `keeps_metrics` does this itself.
    """
    if getattr(task, "keeps_metrics", False):
        return {}
    for collection in task.modules():
        if isinstance(collection, MetricCollection):  # members of a group share the states of one of them
            list(collection.items(keep_base=True, copy_state=True))
    return {
        name: {"updates": metric.update_count, **metric.metric_state}
        for name, metric in task.named_modules()
        if isinstance(metric, Metric) and metric.update_called
    }


def restore_metrics(task: pl.LightningModule, states: dict[str, Any]) -> None:
    metrics = dict(task.named_modules())
    for name, state in states.items():
        metric: Any = metrics[name]
        for key, value in move(state, task.device).items():
            setattr(metric, "_update_count" if key == "updates" else key, value)


def regroup_metrics(checkpoint: dict[str, Any], task: pl.LightningModule, ranks: int) -> None:
    """Divide the states of `metric_states` in a checkpoint anew, for another number of ranks.

    Raises:
        InputError: a metric cannot add up what several ranks have counted.
    """
    from encore.tasks.tally import regrouped  # the engine reaches tasks by their targets alone

    checkpoint["metric_states"] = regrouped(checkpoint["metric_states"], dict(task.named_modules()), ranks)


def is_plain(value: Any) -> bool:
    """Whether a checkpoint may hold a value: tensors, and values that JSON knows, nested."""
    if isinstance(value, dict):
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str | Tensor)
