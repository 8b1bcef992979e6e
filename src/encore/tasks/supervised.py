"""What supervised tasks share: a net trained on pairs of inputs and targets, and scored by loss and metrics."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.func import functional_call
from torch.optim import Optimizer
from torchmetrics import MetricCollection

from encore.build import build, build_all
from encore.data.augment import Pair
from encore.optim.build import build_optimizer, build_schedule
from encore.seeding import derive, seed_generators
from encore.tasks.tally import Tally, by_rank, move


class Supervised(pl.LightningModule):
    """Train a net by a loss, and score it by that loss and metrics; a task says which loss.

    Args:
        net: recipe of a module from inputs [n, *shape] to outputs [n, num_outputs].
        optim: recipe of an optimiser.
        scheduler: recipe of a learning-rate schedule.
        augment: recipes of augmentation steps by name, in their order, for training batches.
        metrics: recipes of torchmetrics by name.
        num_outputs: numbers that the net makes of an example.
        seed: of the weights, and with epoch and step of augmentation, dropout and noise.
        weight_noise: standard deviation of Gaussian noise on the weights, drawn anew each training step.
        init_seed: seeds torch's generator before the weights are drawn, whatever `seed` is; None: `seed` does.
        init_skip: numbers to draw from it before the weights: those of layers that a source built earlier.

    A batch is a pair of inputs, float32 [n, *shape], and targets [n, …]. Logs `SPLIT/loss` and `SPLIT/METRIC` once an
    epoch, as means over its examples.
    """

    def __init__(
        self,
        net: dict,
        optim: dict,
        scheduler: dict,
        augment: dict[str, dict | None],
        metrics: dict[str, dict | None],
        num_outputs: int,
        seed: int,
        weight_noise: float = 0.0,
        init_seed: int | None = None,
        init_skip: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        torch.manual_seed(derive(seed, "weights") if init_seed is None else init_seed)
        torch.rand(init_skip)
        self.net = build(net, what="model")
        self.optim, self.scheduler, self.seed, self.num_outputs = optim, scheduler, seed, num_outputs
        self.augmentations = list(build_all(augment, what="augment").values())
        self.weight_noise = weight_noise
        scores = MetricCollection(build_all(metrics, what="task.metrics"))
        self.train_tally, self.val_tally, self.test_tally = (Tally(scores) for _ in range(3))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of outputs [n, num_outputs], mean over their examples."""
        raise NotImplementedError

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What is minimised: the loss itself, unless a task has another."""
        return self.loss(outputs, targets)

    def prediction(self, outputs: Tensor) -> Tensor:
        """What metrics take of outputs [n, num_outputs]."""
        return outputs

    def truth(self, targets: Tensor) -> Tensor:
        """What metrics compare predictions with."""
        return targets

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Class probabilities [n, classes] of outputs [n, num_outputs]; only tasks with classes have them."""
        raise NotImplementedError

    def decision(self, outputs: Tensor) -> Tensor:
        """Class numbers, int64 [n], that metrics count as predicted, of outputs [n, num_outputs]."""
        raise NotImplementedError

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs [n, num_outputs] of normalised inputs [n, *shape]."""
        return self.net(inputs)

    def training_step(self, batch: Pair, batch_index: int) -> dict[str, Tensor]:
        """The loss of one batch, mean over its examples; `batch_loss` is the same to look at.

        On several ranks each weighs its mean by its part of the batch: the mean over ranks is the batch's.
        """
        seed_generators(derive(self.seed, "step", self.current_epoch, batch_index, self.global_rank), self.device)
        inputs, targets = batch
        for augment in self.augmentations:
            inputs, targets = augment(inputs, targets)
        outputs = self.noisy(inputs) if self.weight_noise else self.net(inputs)
        loss = self.training_loss(outputs, targets)
        self.train_tally.update(loss.detach(), self.prediction(outputs.detach()), self.truth(targets))
        if self.trainer.world_size > 1:
            loss = loss * self.trainer.datamodule.share(batch_index, len(inputs))  # type: ignore[attr-defined]
        return {"loss": loss, "batch_loss": loss.detach()}

    def noisy(self, inputs: Tensor) -> Tensor:
        """Outputs under weights with noise; their gradients reach the weights themselves."""
        weights = {name: w + self.weight_noise * torch.randn_like(w) for name, w in self.net.named_parameters()}
        return functional_call(self.net, weights, (inputs,))

    def validation_step(self, batch: Pair, batch_index: int) -> None:
        """Score one validation batch."""
        self.evaluate(batch, self.val_tally)

    def test_step(self, batch: Pair, batch_index: int) -> None:
        """Score one test batch."""
        self.evaluate(batch, self.test_tally)

    def evaluate(self, batch: Pair, tally: Tally) -> None:
        """Score one batch by the plain loss and the metrics."""
        inputs, targets = batch
        if len(inputs):  # a rank may have none of the last batch
            with torch.inference_mode():
                outputs = self.net(inputs)
                loss = self.loss(outputs, targets)
                predicted = self.prediction(outputs)
            tally.update(loss, predicted, self.truth(targets))

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training means."""
        self.report("train", self.train_tally)

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's validation means."""
        self.report("val", self.val_tally)

    def on_test_epoch_end(self) -> None:
        """Log the test means."""
        self.report("test", self.test_tally)

    def report(self, split: str, tally: Tally) -> None:
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
