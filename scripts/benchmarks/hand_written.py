"""An epoch as it is written by hand in PyTorch, with nothing between the mathematics and the device."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from course.writers.task import triplet


@dataclass(frozen=True)
class Examples:
    """A dataset on the device, and which of it is for what."""

    inputs: Tensor  # uint8 [n, *shape]
    targets: Tensor  # class numbers, int64 [n]
    train: Tensor  # indices, int64
    val: Tensor
    center: Tensor  # broadcast over a batch
    scale: Tensor

    def batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised inputs, float32 [k, *shape], and class numbers [k]."""
        # index_select takes a third of the time of inputs[indices] on a CPU.
        inputs = self.inputs.index_select(0, indices).to(torch.float32).sub_(self.center).mul_(self.scale)
        return inputs, self.targets.index_select(0, indices)


@dataclass(frozen=True)
class Texts:
    """Texts as token ids one after another, on the device, and which of them are for what."""

    tokens: Tensor  # [total]
    offsets: Tensor  # where each text begins, and where the last one ends, int64 [n + 1]
    targets: Tensor  # class numbers, int64 [n]
    train: Tensor  # indices, int64
    val: Tensor

    def batch(self, indices: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Texts as EmbeddingBag takes them, and class numbers [k]."""
        starts = self.offsets.index_select(0, indices)
        lengths = self.offsets.index_select(0, indices + 1) - starts
        begins = lengths.cumsum(0) - lengths
        shift = (starts - begins).repeat_interleave(lengths)
        tokens = self.tokens.index_select(0, torch.arange(len(shift), device=shift.device) + shift)
        return {"tokens": tokens, "tokens_offsets": begins}, self.targets.index_select(0, indices)


class HandWritten:
    """Training and validation of a net, by default a classifier.

    Args:
        examples: what is learned from.
        net: from inputs to logits.
        optimizer: over the net's parameters.
        batch_size: examples in a training batch.
        eval_batch_size: examples in a validation batch.
        order_seed: the seed of an epoch's order.
    """

    def __init__(
        self,
        examples: Examples | Texts,
        net: nn.Module,
        optimizer: Optimizer,
        batch_size: int,
        eval_batch_size: int,
        order_seed: Callable[[int], int],
    ) -> None:
        self.examples, self.net, self.optimizer = examples, net, optimizer
        self.batch_size, self.eval_batch_size, self.order_seed = batch_size, eval_batch_size, order_seed
        self.losses: list[Tensor] = []  # of each epoch's batches
        self.val_loss = self.val_accuracy = float("nan")

    def epoch(self, epoch: int) -> None:
        """Train on every example once, then validate."""
        self.train(epoch)
        if len(self.examples.val):
            self.validate()

    def train(self, epoch: int) -> None:
        """Take a step for each batch; the losses are waited for once, at the end."""
        self.net.train()
        losses = []
        for indices in self.order(epoch).split(self.batch_size):
            inputs, targets = self.examples.batch(indices)
            loss = self.loss(self.logits(inputs), targets)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        self.losses.append(torch.stack(losses).cpu())

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets)

    def logits(self, inputs: Tensor | dict[str, Tensor]) -> Tensor:
        outputs: Tensor = self.net(**inputs) if isinstance(inputs, dict) else self.net(inputs)
        return outputs

    def order(self, epoch: int) -> Tensor:
        """All training indices in the order of an epoch, on the device."""
        train = self.examples.train
        generator = torch.Generator().manual_seed(self.order_seed(epoch))
        return train[torch.randperm(len(train), generator=generator).to(train.device)]

    @torch.inference_mode()
    def validate(self) -> None:
        """Mean loss and accuracy over the validation examples."""
        self.net.eval()
        examples = self.examples
        loss = torch.zeros((), device=examples.val.device)
        right = torch.zeros((), dtype=torch.int64, device=examples.val.device)
        for indices in examples.val.split(self.eval_batch_size):
            inputs, targets = examples.batch(indices)
            logits = self.logits(inputs)
            loss += self.loss(logits, targets) * len(indices)
            right += (logits.argmax(1) == targets).sum()
        self.val_loss, self.val_accuracy = float(loss) / len(examples.val), int(right) / len(examples.val)


class HandWrittenTriplets(HandWritten):
    """Training and validation of an embedding by the triplets of each batch.

    Args:
        each: how many examples of a label follow each other.
        scale: of the cosines.
        settings: those of `HandWritten`.
    """

    def __init__(self, each: int, scale: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.each, self.scale = each, scale

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return triplet(outputs, targets, self.scale)

    def order(self, epoch: int) -> Tensor:
        """Examples of each label, `each` at a time, in full batches."""
        generator = torch.Generator().manual_seed(self.order_seed(epoch))
        train, labels = self.examples.train.cpu(), self.examples.targets.cpu()
        shuffled = train[torch.randperm(len(train), generator=generator)]
        parts = []
        for label in labels[train].unique():
            of_label = shuffled[labels[shuffled] == label]
            parts += of_label.split(self.each)[: len(of_label) // self.each]
        order = torch.stack(parts)[torch.randperm(len(parts), generator=generator)].flatten()
        return order[: len(order) // self.batch_size * self.batch_size].to(self.examples.train.device)
