"""What supervised tasks share: a net trained on pairs of inputs and targets, and scored by loss and metrics."""

import copy
import warnings
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer
from torchmetrics import MetricCollection

from encore.across_ranks import by_rank, move
from encore.config.build import build, build_all
from encore.errors import ConfigError
from encore.optim.optimizer import build_optimizer, build_schedule, check_length
from encore.seeding import derive, seed_every_device
from encore.tasks.batches import count, detached, outputs_of, shapes_of
from encore.tasks.penalty import penalty as build_penalty
from encore.tasks.pictures import show_tables
from encore.tasks.tally import Tally


class Attempt(NamedTuple):
    """A training batch as the net sees it, the net's outputs, and their loss."""

    inputs: Any
    targets: Any
    outputs: Any
    loss: Tensor


class Supervised(pl.LightningModule):
    """Train a net by a loss, and score it by that loss and metrics; a task says which loss.

    Args:
        net: recipe of a module from inputs [n, *shape] to outputs [n, …].
        optim: recipe of an optimiser.
        scheduler: recipe of a learning-rate schedule.
        augment: recipes of augmentation steps for training batches, by name, in order.
        metrics: recipes of torchmetrics by name.
        num_outputs: required number of outputs per example; None: any.
        seed: of the weights.
        weight_noise: standard deviation of Gaussian noise on the weights, drawn at each training step.
        init_seed: seeds torch's generator before the weights are drawn; None: `seed` does.
        init_skip: numbers to draw before the weights, such as those of layers that the original code built earlier.
        penalty: settings of `encore.tasks.penalty.Penalty`, a term of the training loss.

    A batch is a pair of inputs and targets. Inputs are a tensor, float32 [n, *shape], or a dict of several by name,
    with which the net is called as `net(**inputs)`. Targets are a tensor [n, …], a dict, or None. The net's outputs
    are a tensor, an object with `logits`, as Hugging Face's models return, or anything else that the task understands.

    Logs `SPLIT/loss` and `SPLIT/METRIC` once an epoch, as means over its examples. A metric that is not a single
    number is kept in `tables` by that name, and shown as a picture at the end.
    """

    resumes_within_epochs = True  # see encore.runner.contracts
    keeps_metrics = True

    def __init__(
        self,
        net: dict,
        optim: dict,
        scheduler: dict,
        augment: dict[str, dict | None],
        metrics: dict[str, dict | None] | None,
        seed: int,
        num_outputs: int | None = None,
        weight_noise: float = 0.0,
        init_seed: int | None = None,
        init_skip: int = 0,
        penalty: dict | None = None,
    ) -> None:
        super().__init__()
        if num_outputs is not None and num_outputs < 1:
            raise ValueError(f"num_outputs must be at least 1, not {num_outputs}")
        if weight_noise < 0:
            raise ValueError(f"weight_noise must be at least 0, not {weight_noise}")
        if init_seed is not None and init_seed < 0:
            raise ValueError(f"init_seed must be at least 0, not {init_seed}")
        if not 0 <= init_skip <= 10**8:
            raise ValueError(f"init_skip must be from 0 to 100000000, not {init_skip}")
        self.save_hyperparameters(logger=False)
        seed_every_device(derive(seed, "weights") if init_seed is None else init_seed)
        torch.rand(init_skip)
        self.net = build(net, what="model", nested=True)
        if not isinstance(self.net, nn.Module):
            raise ConfigError(f"model._target_={net['_target_']} makes a {type(self.net).__name__}, and no nn.Module")
        self.optim, self.scheduler, self.seed, self.num_outputs = optim, scheduler, seed, num_outputs
        self.augmentations = list(build_all(augment, what="augment").values())
        self.weight_noise, self.penalty = weight_noise, build_penalty(penalty)
        scores = MetricCollection(build_all(metrics, what="task.metrics"))
        self.train_tally, self.val_tally, self.test_tally = (Tally(scores) for _ in range(3))
        self.tables: dict[str, Any] = {}

    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """Loss of a batch, averaged over its examples."""
        raise NotImplementedError

    def training_loss(self, outputs: Any, targets: Any) -> Tensor:
        """The loss to minimise; override it where training and evaluation differ."""
        return self.loss(outputs, targets)

    def objective(self, outputs: Any, targets: Any) -> Tensor:
        """What the optimiser minimises, and what is logged as `train/loss`: the training loss and the penalty."""
        loss = self.training_loss(outputs, targets)
        return loss if self.penalty is None else loss + self.penalty(self.net)

    def aim(self, inputs: Any, targets: Any) -> Any:
        """What outputs are compared with: the targets, unless a task overrides it."""
        return targets

    def prediction(self, outputs: Any) -> Any:
        """Convert outputs to what the metrics expect."""
        return outputs

    def truth(self, targets: Any) -> Any:
        """Convert targets to what the metrics expect."""
        return targets

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Class probabilities [n, classes] of outputs [n, num_outputs]; only tasks with classes have them."""
        raise NotImplementedError

    def decision(self, outputs: Tensor) -> Tensor:
        """Predicted class numbers, int64 [n], of outputs [n, num_outputs], as the metrics count them."""
        raise NotImplementedError

    def output_shape(self, inputs: Any) -> list[int] | None:
        """The shape that outputs must have; None: any."""
        return None if self.num_outputs is None else [count(inputs), self.num_outputs]

    def forward(self, inputs: Any) -> Any:
        """Outputs of normalised inputs."""
        return outputs_of(self.net(**inputs) if isinstance(inputs, dict) else self.net(inputs))

    def training_step(self, batch: Any, batch_index: int) -> dict[str, Tensor]:
        """Loss of one batch, averaged over its examples; `batch_loss` is the same value for display.

        Each rank weights its mean by its share of the batch, so that the mean over ranks is the batch's.
        """
        inputs, targets, outputs, loss = self.attempt(batch)
        self.train_tally.update(loss.detach(), self.prediction(detached(outputs)), self.truth(targets), count(inputs))
        if self.trainer.world_size > 1:
            loss = loss * self.trainer.datamodule.share(batch_index, count(inputs))  # type: ignore[attr-defined]
        return {"loss": loss, "batch_loss": loss.detach()}

    def attempt(self, batch: Any) -> Attempt:
        """One pass of a training batch, augmented, through the net to its loss."""
        inputs, targets = batch
        for augment in self.augmentations:
            inputs, targets = augment(inputs, targets)
        targets = self.aim(inputs, targets)
        outputs = self.noisy(inputs) if self.weight_noise else self.forward(inputs)
        return Attempt(inputs, targets, outputs, self.objective(outputs, targets))

    def noisy(self, inputs: Any) -> Any:
        """Outputs under noisy weights; gradients reach the weights themselves."""
        weights = {name: w + self.weight_noise * torch.randn_like(w) for name, w in self.net.named_parameters()}
        given = ((), inputs) if isinstance(inputs, dict) else ((inputs,), {})
        return outputs_of(functional_call(self.net, weights, *given))

    def validation_step(self, batch: Any, batch_index: int) -> None:
        self.evaluate(batch, self.val_tally)

    def test_step(self, batch: Any, batch_index: int) -> None:
        self.evaluate(batch, self.test_tally)

    def evaluate(self, batch: Any, tally: Tally) -> None:
        """Score one batch by the evaluation loss and the metrics."""
        inputs, targets = batch
        if count(inputs):  # a rank may have none of the last batch
            targets = self.aim(inputs, targets)
            with torch.inference_mode():
                outputs = self.forward(inputs)
                loss = self.loss(outputs, targets)
                predicted = self.prediction(outputs)
            tally.update(loss, predicted, self.truth(targets), count(inputs))

    def on_train_epoch_end(self) -> None:
        self.report("train", self.train_tally)

    def on_validation_epoch_end(self) -> None:
        self.report("val", self.val_tally)

    def on_test_epoch_end(self) -> None:
        self.report("test", self.test_tally)
        show_tables(self, ("test",))

    def on_train_end(self) -> None:
        """Show the last epoch's tables."""
        show_tables(self, ("train", "val"))

    def report(self, split: str, tally: Tally) -> None:
        """Log a split's means over all ranks."""
        numbers = self.numbers(split, tally.means())
        # With `rank_zero_only` Lightning does not average over ranks what is the same on all of them.
        self.log_dict(numbers, sync_dist=True, rank_zero_only=True)

    def numbers(self, split: str, found: dict[str, Any]) -> dict[str, Tensor]:
        """A split's means that are single numbers, by their names in the log; the others are kept in `tables`."""
        means = {f"{split}/{name}": value for name, value in found.items()}
        numbers = {name: value for name, value in means.items() if isinstance(value, Tensor) and value.numel() == 1}
        self.tables |= {name: move(value, torch.device("cpu")) for name, value in means.items() if name not in numbers}
        return numbers

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save every rank's share of the epoch's means, and the previous epoch's tables."""
        checkpoint["train_tally"] = by_rank(self.train_tally.state())
        checkpoint["tables"] = self.tables

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if "train_tally" in checkpoint:  # best.ckpt has only weights
            self.train_tally.restore(move(checkpoint["train_tally"][self.global_rank], self.device))
        self.tables = checkpoint.get("tables", {})

    def regroup(self, checkpoint: dict[str, Any], ranks: int) -> None:
        """Divide what is saved by rank anew, for another number of ranks."""
        checkpoint["train_tally"] = self.train_tally.regrouped(checkpoint["train_tally"], ranks)

    def with_same_tallies(self) -> "Supervised":
        """A copy that shares the task's tallies: to copy them takes most of the time."""
        return copy.deepcopy(self, {id(each): each for each in self.children() if isinstance(each, Tally)})

    def rehearse(self, inputs: Any, targets: Any) -> None:
        """Run a small batch through everything that a step does.

        Raises:
            ValueError: the net's outputs or augmented inputs have other shapes than they must.
        """
        outputs, shapes = self.eval()(inputs), shapes_of(inputs)
        self.check_outputs(outputs, inputs)
        trial = self.with_same_tallies().train()  # whose running statistics are its own
        with torch.no_grad():
            made = trial(inputs)
        if isinstance(outputs, Tensor) or self.output_shape(inputs) is not None:
            self.check_outputs(made, inputs, " while it trains")
        for augment in self.augmentations:
            inputs, targets = augment(inputs, targets)
        if shapes_of(inputs) != shapes:
            raise ValueError(f"augmentation makes {shapes_of(inputs)} of a batch of {shapes}")
        targets = self.aim(inputs, targets)
        loss = self.objective(outputs, targets)
        tally = copy.deepcopy(self.val_tally)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # metrics give them of so few examples
            tally.update(loss.detach(), self.prediction(detached(outputs)), self.truth(targets), count(inputs))
            tally.count()
        self.train()

    def check_outputs(self, outputs: Any, inputs: Any, when: str = "") -> None:
        """Raise ValueError if outputs are not what the task can use."""
        expected = self.output_shape(inputs)
        wanted = "one tensor" if expected is None else str(expected)
        if isinstance(outputs, Tensor):
            if expected is None or list(outputs.shape) == expected:
                return
            made = str(list(outputs.shape))
        elif expected is None and not when:
            return
        else:
            made = f"a {type(outputs).__name__}"
            wanted += "; return the tensor alone, or an object that has it as `logits`"
        raise ValueError(f"the model makes {made} of a batch of {shapes_of(inputs)}{when}, not {wanted}")

    def rehearse_optim(self, epochs: int) -> None:
        """Build the optimiser and its schedule, and take a step with each."""
        optimizer = build_optimizer(self.optim, self.net, torch.device("cpu"))
        schedule = build_schedule(self.scheduler, optimizer, {"epoch": epochs, "step": 1_000_000})
        if schedule:
            optimizer.step()
            schedule["scheduler"].step(*([0.0] if "monitor" in schedule else []))

    def configure_optimizers(self) -> Any:
        optimizer: Optimizer = build_optimizer(
            self.optim, self.net, self.device, mixed=str(self.trainer.precision).endswith("-mixed")
        )
        schedule = build_schedule(self.scheduler, optimizer, length := self.length())
        check_length(schedule, length)
        return optimizer if schedule is None else {"optimizer": optimizer, "lr_scheduler": schedule}

    def length(self) -> dict[str, int]:
        """The run's length in epochs and in optimiser steps."""
        trainer = self.trainer
        epochs = trainer.max_epochs or 1
        data: Any = getattr(trainer, "datamodule", None)
        if not hasattr(data, "train_order"):
            total = int(trainer.estimated_stepping_batches)
            return {"epoch": epochs, "step": total}
        batches = len(data.train_order())
        limit = trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else max(1, int(batches * limit))
        steps = -(-batches // trainer.accumulate_grad_batches)
        total = epochs * steps if trainer.max_steps == -1 else min(epochs * steps, trainer.max_steps)
        return {"epoch": -(-total // steps), "step": total}
