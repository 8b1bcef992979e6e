"""Which runs cannot be trained together, and why."""

from typing import Any

import pytorch_lightning as pl
from torch import nn

from encore.config.facts import encores_data
from encore.data.loaders import Loader
from encore.population.slab import KERNELS
from encore.tasks.supervised import Supervised

# Callbacks that a population stands in for, or that look at a run only before and after its epochs.
KNOWN = {
    "encore.callbacks.checkpoints.Checkpoints", "encore.callbacks.learning_rate.LearningRate",
    "encore.callbacks.norms.Norms", "encore.callbacks.progress.Progress",
    "pytorch_lightning.callbacks.EarlyStopping", "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
}  # fmt: skip
VIEWS = "encore.callbacks.views."
# Settings of the trainer at which a population trains as Lightning would; others have no effect on that.
TRAINER: dict[str, tuple[Any, ...]] = {
    "precision": ("32-true", "32", 32), "accumulate_grad_batches": (1,), "compile": (False, None),
    "cuda_graphs": (False, None), "profile": (False, None), "profiler": (None,), "max_steps": (-1,),
    "max_time": (None,), "val_check_interval": (None, 1.0), "check_val_every_n_epoch": (None, 1), "devices": (1,),
    "strategy": ("auto", None), "num_nodes": (1,), "limit_train_batches": (None, 1.0),
    "limit_val_batches": (None, 1.0, 0), "overfit_batches": (None, 0, 0.0), "reload_dataloaders_every_n_epochs": (0,),
    "min_epochs": (None,), "min_steps": (None,), "fast_dev_run": (False, None), "detect_anomaly": (False, None),
}  # fmt: skip
# Methods that a task of one's own may not change: the population calls others in their place.
STEPS = (
    "training_step", "validation_step", "attempt", "noisy", "evaluate", "report", "on_train_epoch_end",
    "on_validation_epoch_end", "configure_optimizers", "forward", "on_train_start", "on_save_checkpoint",
    "on_load_checkpoint", "objective",
)  # fmt: skip
# Layers that keep numbers of the batches that they see, or that draw random numbers in their own way.
OF_BATCHES = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)


def against_config(cfg: dict) -> str | None:
    """Why a run is trained alone, as far as its config shows; None if it need not be."""
    if not encores_data(cfg):
        return "its data module is not Encore's"
    if not cfg["data"].get("resident", True):
        return "its data are read by worker processes (data.resident=false)"
    if cfg["data"].get("inputs") is not None:
        return "its examples consist of named arrays (data.inputs)"
    if cfg.get("init_from"):
        return "it starts from the weights of another (init_from)"
    if cfg.get("continue_from"):
        return "it continues another (continue_from)"
    for name, recipe in (cfg.get("callbacks") or {}).items():
        target = str((recipe or {}).get("_target_", ""))
        if recipe and target not in KNOWN and not target.startswith(VIEWS):
            return f"callbacks.{name} may act on single steps"
    for name, usual in TRAINER.items():
        if cfg["trainer"].get(name, usual[0]) not in usual:
            return f"trainer.{name}={cfg['trainer'][name]}"
    if cfg["task"].get("weight_noise") and (cfg["task"].get("penalty") or {}).get("weight"):
        return "task.weight_noise and task.penalty are used together"
    return None


def against_parts(trainer: pl.Trainer, task: pl.LightningModule) -> str | None:
    """Why a run is trained alone, as its parts show; None if it need not be."""
    kind = type(task)
    if not isinstance(task, Supervised):
        return f"{kind.__name__} is no task of Encore's"
    if changed := [name for name in STEPS if getattr(kind, name) is not getattr(Supervised, name)]:
        return f"{kind.__name__} has its own {changed[0]}"
    if len(trainer.optimizers) != 1 or (of := type(trainer.optimizers[0])) not in KERNELS:
        return f"{type(trainer.optimizers[0]).__name__} is not stepped number by number"
    for group in trainer.optimizers[0].param_groups:
        if group.get("amsgrad") or group.get("centered"):
            return f"{of.__name__} with amsgrad or centered"
    stepped = {id(each) for group in trainer.optimizers[0].param_groups for each in group["params"]}
    for name, parameter in task.named_parameters():
        if id(parameter) not in stepped:
            return f"{name} is not trained"
        if parameter.dtype.itemsize != 4 or not parameter.is_floating_point():
            return f"{name} is {parameter.dtype}"
    for name, module in task.named_modules():
        if isinstance(module, OF_BATCHES) and type(module) is not nn.Dropout:
            return f"{name} is a {type(module).__name__}, which draws or keeps numbers of a batch"
    loaders = trainer.fit_loop._combined_loader
    if loaders is None or not all(type(each) is Loader for each in loaders.flattened):
        return "its batches are not one tensor of inputs and one of targets"
    return None
