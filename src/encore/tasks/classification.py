"""Classification: which of several classes an example belongs to."""

from itertools import groupby
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn
from torch.func import functional_call
from torch.optim import Optimizer
from torchmetrics import Metric, MetricCollection

from encore.build import build, build_all
from encore.data.augment import Pair
from encore.optim.build import build_optimizer, build_schedule
from encore.seeding import derive, seed_generators


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
    numbers = 2**20  # in their logits, about

    def __init__(self, scores: MetricCollection) -> None:
        super().__init__()
        self.loss, self.scores = MeanLoss(), scores.clone()
        self.waiting: list[list[Tensor]] = []

    def update(self, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
        """Add a batch, without waiting for the device.

        Args:
            loss: mean over the batch, a scalar.
            logits: [n, num_classes].
            targets: class numbers [n], or probabilities [n, num_classes], which count as their largest.
        """
        self.waiting.append([loss, logits, targets])
        if len(self.waiting) >= min(self.batches, self.numbers // max(1, logits.numel())):
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
        _, logits, targets = zip(*self.waiting, strict=True)
        classes = torch.cat(targets)
        self.scores.update(torch.cat(logits), classes if classes.ndim == 1 else classes.argmax(1))
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


class Classification(pl.LightningModule):
    """Train a net by cross-entropy, and score it by loss and metrics.

    Args:
        net: recipe of a module from inputs [n, *shape] to logits [n, num_classes].
        optim: recipe of an optimiser.
        scheduler: recipe of a learning-rate schedule.
        augment: recipes of augmentation steps by name, in their order, for training batches.
        metrics: recipes of torchmetrics by name.
        num_classes: number of classes.
        seed: of the weights, and with epoch and step of augmentation, dropout and noise.
        label_smoothing: part of a training target that is spread over all classes (Szegedy et al. 2016).
        weight_noise: standard deviation of Gaussian noise on the weights, drawn anew each training step.

    A batch is a pair of inputs, float32 [n, *shape], and class numbers, int64 [n]. Logs `SPLIT/loss` and
    `SPLIT/METRIC` once an epoch, as means over its examples.
    """

    def __init__(
        self,
        net: dict,
        optim: dict,
        scheduler: dict,
        augment: dict[str, dict | None],
        metrics: dict[str, dict | None],
        num_classes: int,
        seed: int,
        label_smoothing: float = 0.0,
        weight_noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        torch.manual_seed(derive(seed, "weights"))
        self.net = build(net, what="model")
        self.optim, self.scheduler, self.seed = optim, scheduler, seed
        self.augmentations = list(build_all(augment, what="augment").values())
        self.label_smoothing, self.weight_noise = label_smoothing, weight_noise
        scores = MetricCollection(build_all(metrics, what="task.metrics"))
        self.train_tally, self.val_tally, self.test_tally = (Tally(scores) for _ in range(3))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [n, num_classes] of normalised inputs [n, *shape]."""
        return self.net(inputs)

    def training_step(self, batch: Pair, batch_index: int) -> dict[str, Tensor]:
        """The loss of one batch, mean over its examples; `batch_loss` is the same to look at.

        On several ranks each weighs its mean by its part of the batch: the mean over ranks is the batch's.
        """
        seed_generators(derive(self.seed, "step", self.current_epoch, batch_index, self.global_rank), self.device)
        inputs, targets = batch
        for augment in self.augmentations:
            inputs, targets = augment(inputs, targets)
        logits = self.noisy(inputs) if self.weight_noise else self.net(inputs)
        loss = F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        self.train_tally.update(loss.detach(), logits.detach(), targets)
        if self.trainer.world_size > 1:
            loss = loss * self.trainer.datamodule.share(batch_index, len(inputs))  # type: ignore[attr-defined]
        return {"loss": loss, "batch_loss": loss.detach()}

    def noisy(self, inputs: Tensor) -> Tensor:
        """Logits under weights with noise; their gradients reach the weights themselves."""
        weights = {name: w + self.weight_noise * torch.randn_like(w) for name, w in self.net.named_parameters()}
        return functional_call(self.net, weights, (inputs,))

    def validation_step(self, batch: Pair, batch_index: int) -> None:
        """Score one validation batch."""
        self.evaluate(batch, self.val_tally)

    def test_step(self, batch: Pair, batch_index: int) -> None:
        """Score one test batch."""
        self.evaluate(batch, self.test_tally)

    def evaluate(self, batch: Pair, tally: "Tally") -> None:
        """Score one batch by the plain loss and the metrics."""
        inputs, targets = batch
        if len(inputs):  # a rank may have none of the last batch
            with torch.inference_mode():
                logits = self.net(inputs)
                loss = F.cross_entropy(logits, targets)
            tally.update(loss, logits, targets)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training means."""
        self.report("train", self.train_tally)

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's validation means."""
        self.report("val", self.val_tally)

    def on_test_epoch_end(self) -> None:
        """Log the test means."""
        self.report("test", self.test_tally)

    def report(self, split: str, tally: "Tally") -> None:
        """Log a split's means over all ranks."""
        means = {f"{split}/{name}": value for name, value in tally.means().items()}
        self.log_dict(means, sync_dist=self.trainer.world_size > 1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep every rank's part of the epoch's means."""
        checkpoint["train_tally"] = by_rank(self.train_tally.state())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up this rank's part."""
        if "train_tally" in checkpoint:  # best.ckpt has weights alone
            self.train_tally.restore(move(checkpoint["train_tally"][self.global_rank], self.device))

    def configure_optimizers(self) -> Any:
        """The optimiser, and its schedule where there is one."""
        optimizer: Optimizer = build_optimizer(
            self.optim, self.net, self.device, mixed=str(self.trainer.precision).endswith("-mixed")
        )
        schedule = build_schedule(self.scheduler, optimizer, self.length())
        return optimizer if schedule is None else {"optimizer": optimizer, "lr_scheduler": schedule}

    def length(self) -> dict[str, int]:
        """The run's length in epochs and in optimiser steps."""
        trainer = self.trainer
        batches = len(trainer.datamodule.train_order())  # type: ignore[attr-defined]
        limit = trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else max(1, int(batches * limit))
        steps = -(-batches // trainer.accumulate_grad_batches)
        epochs = trainer.max_epochs or 1
        total = epochs * steps if trainer.max_steps == -1 else min(epochs * steps, trainer.max_steps)
        return {"epoch": -(-total // steps), "step": total}
