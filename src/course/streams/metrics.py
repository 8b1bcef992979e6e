"""Accuracy of each task."""

import torch
from torch import Tensor
from torchmetrics import Metric


class TaskAccuracy(Metric):
    """How many examples of each task are right, [tasks]; with `tasks=1`, of all of them together, a single number.

    It takes logits [n, classes], and classes and tasks, int64 [n, 2].
    """

    right: Tensor
    count: Tensor
    higher_is_better = True

    def __init__(self, tasks: int = 1) -> None:
        super().__init__()
        self.tasks = tasks
        for name in ("right", "count"):
            self.add_state(name, torch.zeros(tasks), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, truth: Tensor) -> None:
        label, task = truth.unbind(1)
        task = task if self.tasks > 1 else torch.zeros_like(task)
        self.right += torch.zeros_like(self.right).index_add_(0, task, (outputs.argmax(1) == label).float())
        self.count += torch.zeros_like(self.count).index_add_(0, task, torch.ones_like(label, dtype=torch.float32))

    def compute(self) -> Tensor:
        rates = self.right / self.count
        return rates if self.tasks > 1 else rates[0]
