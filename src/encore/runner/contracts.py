"""What a run expects of its task and its data, and what it costs to leave something out; see docs/resume.md.

A task is any LightningModule, and data are any LightningDataModule, as their authors wrote them. Everything below is
optional, and nothing has to be inherited: attributes and methods are found by name.

Constructors get their own settings from the config's `task` and `data`. In addition, a constructor with a parameter of
that name gets: a task `net`, `optim`, `scheduler` and `augment` (recipes) and `seed`;
data `recipe` (all of `data`), `data_dir`, `seed` and `test` (whether the test set may be read).

Before a task or data are built, and at every batch, the generators of torch, Python and NumPy are seeded by place:
(seed, epoch, batch, rank). Anything else that a task remembers between steps must be in its checkpoint: parameters,
buffers, metrics of torchmetrics, or what `on_save_checkpoint` adds.
"""

from collections.abc import Sized
from typing import Any, Protocol

from torch import Tensor, nn


class Task(Protocol):
    """A LightningModule; these attributes are optional."""

    net: nn.Module
    """What is compiled, and drawn as a graph. Left out: `trainer.compile` is refused, and there is no graph."""

    example_input_array: Any
    """Lightning's: inputs of a batch, for the graph. Left out: only Encore's data have examples."""

    resumes_within_epochs: bool
    """True: nothing but what a checkpoint holds is carried from one batch to the next. Left out: a task with a hook
    `on_train_epoch_end` may look back over its epoch, so checkpoints are written at the ends of epochs only."""

    tables: dict[str, Any]
    """Tensors that are not a single number, by `SPLIT/NAME`; they become `tables/SPLIT-NAME.csv` of the run."""

    predicts: str
    """What outputs are, for `predict`, `export` and `encore.load`: `classes`, scores [n, classes] of one of several;
    `labels`, scores [n, labels] of any of several; `pixels`, scores [n, classes, h, w]; `values`, numbers. Scores are
    before softmax or sigmoid. Left out: Encore's tasks are known, of any other they are values."""

    def adapt_to(self, data: Any) -> None:
        """Take what is needed of the data module, which is set up, before the first step or test; as buffers where
        checkpoints are to hold it. Left out: `data.normalize_targets` is refused."""

    def regroup(self, checkpoint: dict[str, Any], ranks: int) -> None:
        """Divide anew, for another number of ranks, what `on_save_checkpoint` keeps by rank. Left out: nothing is."""

    def rehearse(self, inputs: Any, targets: Any) -> None:
        """Do on the CPU what a step does, with a small batch; raise RuntimeError, ValueError, LookupError or TypeError
        where parts do not fit. Left out: a copy takes one real step of training and validation before the run."""

    def rehearse_optim(self, epochs: int) -> None:
        """Build the optimiser and its schedule, and step. Left out: the same real step."""


class Data(Protocol):
    """A LightningDataModule; these attributes are optional."""

    by_place: bool
    """True: the training loader's batches lie on the trainer's device, in an order of (seed, epoch) alone, and it
    begins where `trainer.fit_loop` stands; `next(loader)` gives the next batch of the epoch begun last. Left out:
    loaders are seeded for every batch, an epoch that is entered in its middle reads the batches before it again, and
    every optimiser step is a call of Lightning's loop (`steps_per_execution` has no effect)."""

    sizes: dict[str, int]
    """Examples in `train`, `val` and `test`. Left out: the header and the manifest lack them."""

    batch_size: int
    """Training examples in a batch, over all ranks. Left out: the header lacks it."""

    order_sha256: str
    """A digest of the order of the batches so far. Left out: the manifest has none."""

    target_affine: Any
    """How a task normalises targets, (x - center) · scale. Left out, or None: it does not."""

    split: Any
    """Which examples are for what: an object whose attributes are tensors. Left out: the manifest has no digest."""

    classes: list[str]
    """Names of the classes. Left out: they are numbers."""

    def to_input(self, picture: Any) -> Tensor:
        """What the net takes of one picture, a `PIL.Image`, [*shape]: as in the test, without augmentation. Left out:
        `predict` reads arrays of inputs, and no pictures. Batches must be a tensor of inputs, or that and a tensor of
        targets; with others `predict`, `export` and `evaluate --split` say that they cannot."""

    def train_order(self) -> Sized:
        """As long as an epoch has batches. Left out: schedules ask Lightning's `estimated_stepping_batches`."""

    def example(self, count: int) -> tuple[Any, Any]:
        """Inputs and targets of a few training examples, on the CPU. Left out: see `Task.rehearse`."""

    def share(self, batch: int, here: int) -> float:
        """This rank's weight in the mean over a batch. Left out: several devices are refused."""

    def class_counts(self, classes: int | None) -> Tensor:
        """Training examples of each class. Left out: `task.class_weights=balanced` is refused."""

    def close_test(self) -> None:
        """Free the test set's memory while the run trains."""


def number_of_parameters(task: nn.Module) -> tuple[int, int]:
    """How many numbers of a task are trained, and how many are frozen."""
    trained = sum(each.numel() for each in task.parameters() if each.requires_grad)
    return trained, sum(each.numel() for each in task.parameters()) - trained


def examples_of(inputs: Any) -> int:
    first: Tensor = next(iter(inputs.values())) if isinstance(inputs, dict) else inputs
    return len(first)
