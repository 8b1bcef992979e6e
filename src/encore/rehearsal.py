"""What cannot work is found before the first step."""

from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from encore.data.module import DataModule
from encore.errors import ConfigError
from encore.optim.build import build_optimizer, build_schedule
from encore.ranks import device_count


def rehearse(cfg: dict, task: pl.LightningModule) -> None:
    """Let every part do its work once on two examples of zeros, so that what cannot work is found now."""
    shape = [2, *cfg["data"]["shape"]]
    inputs, targets = torch.zeros(shape), torch.zeros(2, dtype=torch.long)
    try:
        task.eval()(inputs)
        for augment in task.augmentations:  # type: ignore[union-attr]
            inputs, targets = augment(inputs, targets)
        if list(inputs.shape) != shape:
            raise ValueError(f"augmentation makes {list(inputs.shape)} of a batch of {shape}")
    except (RuntimeError, ValueError, IndexError, TypeError) as problem:
        raise ConfigError(f"model, augment and data.shape={shape[1:]} do not fit together: {problem}") from problem
    task.train()
    optimizer = build_optimizer(cfg["optim"], task, torch.device("cpu"))
    schedule = build_schedule(cfg["scheduler"], optimizer, {"epoch": cfg["trainer"]["max_epochs"], "step": 1_000_000})
    if schedule:
        try:
            optimizer.step()
            schedule["scheduler"].step(*([0.0] if "monitor" in schedule else []))
        except (TypeError, ValueError) as problem:
            raise ConfigError(f"scheduler={cfg['scheduler']['name']} cannot work: {problem}") from problem


ACCELERATORS: dict[str, Callable[[], bool]] = {
    "gpu": lambda: torch.cuda.is_available() or torch.backends.mps.is_available(),
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
}


def check_accelerator(cfg: dict) -> None:
    """Raise ConfigError if this machine has not what the trainer asks for."""
    wanted = cfg["trainer"].get("accelerator")
    if (available := ACCELERATORS.get(wanted)) and not available():
        raise ConfigError(
            f"trainer.accelerator={wanted} asks for a device that this machine has not: use trainer=cpu, "
            "or trainer=default, which takes the best there is"
        )


def check_last_batch(cfg: dict, data: DataModule, task: pl.LightningModule) -> None:
    """Every rank has an example of the last batch, and batch norm has two: of one alone there is no variance."""
    size, examples = cfg["data"]["batch_size"], data.sizes["train"]
    last = 0 if cfg["data"]["drop_last"] else examples % size
    ranks = cfg["trainer"].get("num_nodes", 1) * device_count(cfg)
    normalized = any(isinstance(part, _BatchNorm) for part in task.modules())
    needed = ranks * (2 if normalized else 1)
    for what, length in (("an epoch's last batch", last), ("a batch", size)):
        if length and length < needed:
            raise ConfigError(
                f"data.batch_size={size} leaves {what} of {length} of the {examples} training examples, and "
                f"{'batch norm' if normalized else 'the ranks'} needs {needed}: "
                "choose another data.batch_size, or data.drop_last=true"
            )
