"""What cannot work is found before the first step."""

import copy
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import nn

from encore.data.module import DataModule
from encore.errors import ConfigError, NoDevice
from encore.optim.build import build_optimizer, build_schedule
from encore.ranks import device_count
from encore.tasks.supervised import Supervised


def rehearse(cfg: dict, task: pl.LightningModule) -> None:
    """Let every part do its work once on two examples of zeros."""
    shape = [2, *cfg["data"]["shape"]]
    inputs, classes = torch.zeros(shape), cfg["data"]["num_classes"]
    targets = torch.zeros(2, 1) if classes is None else torch.zeros(2, dtype=torch.long)
    try:
        outputs = task.eval()(inputs)
        expected = [2, cfg["task"]["num_outputs"]] if "num_outputs" in cfg["task"] else list(outputs.shape)
        if list(outputs.shape) != expected:
            raise ValueError(f"the model makes {list(outputs.shape)} of a batch of {shape}, not {expected}")
        for augment in task.augmentations:  # type: ignore[union-attr]
            inputs, targets = augment(inputs, targets)
        if list(inputs.shape) != shape:
            raise ValueError(f"augmentation makes {list(inputs.shape)} of a batch of {shape}")
        if isinstance(task, Supervised):
            task.training_loss(outputs, targets)
    except (RuntimeError, ValueError, LookupError, TypeError) as problem:
        raise ConfigError(f"model, augment and data.shape={shape[1:]} do not fit together: {problem}") from problem
    task.train()
    optimizer = build_optimizer(cfg["optim"], task, torch.device("cpu"))
    try:
        length = {"epoch": cfg["trainer"]["max_epochs"], "step": 1_000_000}
        schedule = build_schedule(cfg["scheduler"], optimizer, length)
        if schedule:
            optimizer.step()
            schedule["scheduler"].step(*([0.0] if "monitor" in schedule else []))
    except (TypeError, ValueError, ArithmeticError, LookupError) as problem:
        raise ConfigError(f"scheduler={cfg['scheduler']['name']} cannot work: {problem}") from problem


ACCELERATORS: dict[str, Callable[[], bool]] = {
    "gpu": lambda: torch.cuda.is_available() or torch.backends.mps.is_available(),
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
}


def check_accelerator(cfg: dict) -> None:
    """Raise NoDevice if this machine has not what the trainer asks for."""
    wanted = cfg["trainer"].get("accelerator")
    if (available := ACCELERATORS.get(wanted)) and not available():
        raise NoDevice(
            f"trainer.accelerator={wanted} asks for a device that this machine has not: use trainer=cpu, "
            "or trainer=default, which takes the best there is"
        )


def check_graphs(cfg: dict, trainer: pl.Trainer) -> None:
    """Raise ConfigError if CUDA graphs would have to add to gradients, which the next launch overwrites."""
    accumulates = trainer.accumulate_grad_batches > 1 or any(
        isinstance(part, pl.callbacks.GradientAccumulationScheduler)
        for part in trainer.callbacks  # type: ignore[attr-defined]
    )
    if cfg["trainer"].get("cuda_graphs") and accumulates:
        raise ConfigError(
            "trainer.cuda_graphs=true cannot accumulate gradients: use trainer.accumulate_grad_batches=1 and a larger "
            "data.batch_size, or trainer.cuda_graphs=false"
        )


def check_last_batch(cfg: dict, data: DataModule, net: nn.Module) -> None:
    """Every rank has enough of every batch: an example, and for batch norm over one value a channel two."""
    size, examples, ranks = data.batch_size, data.sizes["train"], device_count(cfg)
    last = examples % size
    smallest = size if cfg["data"]["drop_last"] or not last else last
    try:
        if smallest < ranks:
            raise ValueError(f"there are {ranks} ranks")
        with torch.no_grad():
            copy.deepcopy(net).train()(torch.zeros(smallest // ranks, *cfg["data"]["shape"]))
    except ValueError as problem:  # torch's: more than one value a channel
        raise ConfigError(
            f"data.batch_size={size} leaves a batch of {smallest} of the {examples} training examples: {problem}\n"
            "choose another data.batch_size, or data.drop_last=true"
        ) from problem
