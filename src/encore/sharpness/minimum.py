"""The minimum that a run has reached: how sharp it is, and how the loss rises around it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encore.data.loaders import Order
from encore.data.sources import Source
from encore.errors import InputError
from encore.record.checkpoint_files import LAST
from encore.reopened import reopened
from encore.seeding import derive
from encore.sharpness.direction import filter_normalised
from encore.sharpness.eigenvalue import Eigenvalue, largest
from encore.sharpness.landscape import Batch, Landscape, flat
from encore.tasks.supervised import Supervised
from encore.training import Parts
from encore.trust import recorded_config

STEPS = np.arange(-20, 21) / 20  # of the direction's length; the middle is the minimum itself


@dataclass(frozen=True)
class Effort:
    """How exactly, and how much at once.

    Attributes:
        tolerance: of the residual of the eigenvalue.
        products: of the Hessian with a vector, at most.
        batch: examples at a time.
    """

    tolerance: float
    products: int
    batch: int


@dataclass(frozen=True)
class Minimum:
    """Where a run ended.

    Attributes:
        eigenvalue: the largest of the training loss's Hessian.
        train: the training loss at `STEPS` in a random filter-normalised direction, float64 [steps].
        test: the test loss there; None without a test set.
    """

    eigenvalue: Eigenvalue
    train: np.ndarray
    test: np.ndarray | None

    @property
    def loss(self) -> float:
        """The training loss there."""
        return at(self.train, 0)

    @property
    def test_loss(self) -> float | None:
        """The test loss there."""
        return None if self.test is None else at(self.test, 0)

    @property
    def rise(self) -> float:
        """How far the training loss rises half a step away, mean of both sides."""
        return at(self.train, 0.5) - self.loss


def at(losses: np.ndarray, distance: float) -> float:
    """The loss at a distance, the mean of both sides."""
    return float(losses[np.abs(STEPS) == distance].mean())


def minimum(folder: Path, effort: Effort) -> Minimum:
    """Measure a run at its last weights, in evaluation mode, by its task's plain loss, without augmentation.

    What is random is drawn from the run's seed: runs of one seed share their direction, and what power iteration
    begins with.

    Raises:
        InputError: the run cannot be read again, or its loss has no Hessian that can be found.
    """
    cfg = recorded_config(folder)
    cfg["trainer"]["compile"] = False  # what is compiled cannot be differentiated twice
    with reopened(folder, cfg, LAST) as parts:
        if not isinstance(parts.task, Supervised):
            raise InputError(f"{folder}: {cfg['task']['_target_']} has no loss of outputs and targets")
        data = parts.data
        train = landscape(parts, data.source, data.split.train, effort.batch)
        generator = torch.Generator().manual_seed(derive(cfg["seed"], "sharpness"))
        direction = filter_normalised(train.weights, generator)
        like = flat(train.weights.values()).detach()
        start = torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)
        try:
            eigenvalue = largest(train.hessian_product, start, effort.tolerance, effort.products)
        except (ArithmeticError, RuntimeError) as problem:
            raise InputError(f"{folder}: the Hessian of its loss cannot be found: {problem}") from problem
        test = landscape(parts, data.opened_test(), data.test_indices, effort.batch) if data.sizes["test"] else None
        return Minimum(eigenvalue, along(train, direction), along(test, direction) if test else None)


def landscape(parts: Parts, source: Source, indices: Tensor, batch: int) -> Landscape:
    """The loss of a run over examples, in double precision where the device has it.

    No digit that is shown then depends on the device, or on how many examples are taken at a time.
    """
    task, data = parts.task, parts.data
    assert isinstance(task, Supervised)
    dtype = torch.float32 if task.device.type == "mps" else torch.float64
    net = task.net.to(dtype)

    def batches() -> Iterator[Batch]:
        for inputs, targets in data.loader(source, Order(indices, batch)):
            yield inputs.to(dtype), targets.to(dtype) if targets.is_floating_point() else targets

    return Landscape(net, task.loss, batches)


def along(landscape: Landscape, direction: dict[str, Tensor]) -> np.ndarray:
    """The loss at `STEPS` in a direction, float64 [steps]."""
    return np.array([landscape.loss(direction, step) for step in STEPS.tolist()])
