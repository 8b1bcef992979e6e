"""The minimum that a run reached: its sharpness, and the rise of the loss around it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from encore.analysis.sharpness.direction import filter_normalised
from encore.analysis.sharpness.eigenvalue import Eigenvalue, largest
from encore.analysis.sharpness.landscape import Batch, Landscape, flat
from encore.data.loaders import Order
from encore.data.sources import Source
from encore.errors import InputError
from encore.provenance.trust import recorded_config
from encore.record.checkpoint_files import LAST
from encore.runner.parts import Parts
from encore.runner.restored_run import restored_run
from encore.seeding import derive
from encore.tasks.supervised import Supervised

STEPS = np.arange(-20, 21) / 20  # of the direction's length; the middle is the minimum itself


@dataclass(frozen=True)
class Effort:
    """How accurately to compute, and in what batches.

    Attributes:
        tolerance: for the eigenvalue's residual.
        products: maximum number of Hessian-vector products.
        batch: examples per batch.
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
        return at(self.train, 0)

    @property
    def test_loss(self) -> float | None:
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

    Random numbers come from the run's seed: runs with one seed share their direction and power iteration's start.

    Raises:
        InputError: the run cannot be read, or the Hessian of its loss cannot be computed.
    """
    cfg = recorded_config(folder)
    cfg["trainer"]["compile"] = False  # compiled code cannot be differentiated twice
    with restored_run(folder, cfg, LAST) as parts:
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
            raise InputError(f"{folder}: the Hessian of its loss cannot be computed: {problem}") from problem
        test = landscape(parts, data.opened_test(), data.test_indices, effort.batch) if data.sizes["test"] else None
        return Minimum(eigenvalue, along(train, direction), along(test, direction) if test else None)


def landscape(parts: Parts, source: Source, indices: Tensor, batch: int) -> Landscape:
    """The loss of a run over examples, in double precision where the device has it.

    So no displayed digit depends on the device or the batch size.
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
