"""The live objects of a run, built from their recipes."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch import nn

from encore.callbacks.checkpoints import Checkpoints
from encore.callbacks.lightning import build_callbacks, build_profiler, fit_to_task, model_files, shows_bar
from encore.callbacks.losses import Losses
from encore.callbacks.position import Position
from encore.callbacks.seeds import Seeds
from encore.config.accelerator import device_count
from encore.config.build import build, locate, parameters, takes
from encore.config.check import OUR_SETTINGS
from encore.config.facts import data_target, leaves, opens_test, show
from encore.config.launched import Place
from encore.data import node
from encore.errors import ConfigError, EncoreError
from encore.fast.execution import Execution
from encore.fast.spared import plugins_found_once
from encore.loggers.lifecycle import build_loggers
from encore.record.checkpoint_files import WholeFiles
from encore.runner.any_loader import seed_loaders
from encore.runner.preflight import check_accelerator, check_graphs, preflight
from encore.runner.rendezvous import Cluster
from encore.runner.sharded import NAME as FSDP
from encore.runner.sharded import FullySharded, prepare_sharded
from encore.runner.together import Group
from encore.runner.torch_settings import allow_tf32, convolutions_channels_last, reproducible_cublas
from encore.seeding import derive, seed_everywhere
from encore.stopping import Stop

log = logging.getLogger("encore")

CPU = torch.device("cpu")
# Code that draws random numbers from torch's generators only.
TORCH_ONLY = ("encore.", "torch.", "torchvision.", "torchmetrics.", "pytorch_lightning.")
# Settings of `data` that every config has, with their defaults from configs/train.yaml.
OF_DATA = {
    "batch_size": 64, "eval_batch_size": 1024, "split_seed": 0, "val_fraction": 0.1, "test_fraction": 0.0,
    "fraction": 1.0, "keep": None, "sampling": "uniform", "folds": None, "fold": 0, "bootstrap": None,
    "weights": {"path": None}, "normalize": "standardize", "normalize_targets": "none", "shuffle": True,
    "drop_last": False, "resident": True, "num_workers": 2, "sha256": {},
}  # fmt: skip
# Descriptions of the data for a model; a data module gets them only if it has such parameters.
DESCRIBE = ("name", "_target_", "shape", "num_classes", "num_labels", "num_targets", "axes")


@dataclass
class Parts:
    """The live objects of a run."""

    data: Any  # a LightningDataModule with any part of contracts.Data
    task: pl.LightningModule
    trainer: pl.Trainer
    losses: Losses
    checkpoints: Checkpoints | None
    position: Position
    stop: Stop
    several_steps: bool  # in a call of Lightning's loop
    group: Group | None = None  # the ranks of which this is one


def assemble(cfg: dict, folder: Path, stop: Stop, chooses: bool = True, group: Group | None = None) -> Parts:
    """Build everything, and find what cannot work before the first step.

    Args:
        cfg: the run's config.
        folder: the run's.
        stop: what asks it to stop.
        chooses: as `preflight` takes it.
        group: the ranks of which this is one.

    Raises:
        ConfigError: parts that cannot be built, or do not fit together or this machine.
        InputError: data that cannot be used.
    """
    torch.set_num_threads(max(1, cfg["threads"] // device_count(cfg)))
    check_accelerator(cfg)
    allow_tf32(cfg["trainer"].get("tf32"))
    reproducible_cublas(cfg["trainer"])
    if torch.cuda.is_initialized():  # the record has the run's own peak
        torch.cuda.reset_peak_memory_stats()
    check_size(cfg["model"])
    with reading_once(group):
        data = build_data(cfg)
    task = build_task(cfg)
    adapt(task, data)
    preflight(cfg, task, data, chooses)
    losses = Losses(folder)
    trainer = build_trainer(cfg, folder, data, losses, group.place if group else None)
    fit_to_task(trainer.callbacks, task)  # type: ignore[attr-defined]
    check_graphs(cfg, trainer)
    if isinstance(trainer.strategy, FullySharded):
        prepare_sharded(task, trainer.callbacks)  # type: ignore[attr-defined]
    by_place = getattr(data, "by_place", False)
    if not by_place:
        seed_loaders(data, trainer, cfg["seed"])
    checkpoints = next((found for found in trainer.callbacks if isinstance(found, Checkpoints)), None)  # type: ignore[attr-defined]
    position = Position(checkpoints, stop, restorable(losses, *trainer.loggers, *model_files(trainer)))
    torch_only = all(target.startswith(TORCH_ONLY) for target in targets(cfg))
    trainer.callbacks[:0] = [Seeds(cfg["seed"], torch_only), position]  # type: ignore[attr-defined]
    steps = cfg.get("steps_per_execution", 1)
    several_steps = steps > 1 and task.automatic_optimization and by_place
    if several_steps:
        losses.told = True
        trainer.fit_loop.epoch_loop.automatic_optimization = Execution(trainer, steps, stop, losses.add)
    # Lightning would do this only after loading a checkpoint, which would truncate its doubles to floats.
    trainer.precision_plugin.convert_module(task)
    return Parts(data, task, trainer, losses, checkpoints, position, stop, several_steps, group)


@contextmanager
def reading_once(group: Group | None) -> Iterator[None]:
    """Let the first rank of each machine read the data for the others there."""
    ranks = None
    if group is not None and group.place.local_ranks > 1:
        ranks = node.Node(group.place.node, group.place.local_rank == 0, group)
    before = node.here.set(ranks)
    try:
        yield
    finally:
        node.here.reset(before)


def targets(cfg: dict) -> list[str]:
    """The `_target_`s of everything that takes part in a step."""
    computing = {part: cfg[part] for part in ("task", "model", "augment", "callbacks") if cfg.get(part)}
    return [data_target(cfg), *(str(value) for path, value in leaves(computing) if path.endswith("_target_"))]


def restorable(*logs: Any) -> dict[str, Any]:
    """The logs that can be rewound to an earlier position, by name."""
    return {type(log).__name__: log for log in logs if hasattr(log, "restore")}


def build_data(cfg: dict) -> Any:
    """Build the data module and set it up.

    Raises:
        ConfigError: it cannot be built, or would ignore settings that were made.
        InputError: its data cannot be used.
    """
    target, seed = data_target(cfg), cfg["seed"]
    offered = {"recipe": cfg["data"], "data_dir": cfg["data_dir"], "seed": seed, "test": opens_test(cfg)}
    taken = parameters(locate(target))
    if "recipe" in taken:
        own: dict[str, Any] = {}
    else:
        check_settings_of_data(cfg["data"], target, set(taken))
        own = {key: value for key, value in cfg["data"].items() if key not in (*OF_DATA, *DESCRIBE) or key in taken}
    given = {name: value for name, value in offered.items() if name in taken and name not in own}
    seed_everywhere(derive(seed, "data"), CPU)
    data = build({"_target_": target, **own}, what="data", nested="recipe" not in taken, **given)
    if not isinstance(data, pl.LightningDataModule):
        raise ConfigError(f"data._target_={target} makes a {type(data).__name__}, not a LightningDataModule")
    if device_count(cfg) > 1 and not hasattr(data, "share"):
        raise ConfigError(
            f"{target} does not say which part of a batch each device gets (`share` in encore.runner.contracts): "
            "trainer.devices=1"
        )
    if getattr(data, "by_place", False):
        data.setup("fit")
    return data


def check_settings_of_data(recipe: dict, target: str, taken: set[str]) -> None:
    """Raise ConfigError for changed settings that a data module has no parameter for."""
    ignored = [
        f"data.{name}={show(recipe[name])}"
        for name, usual in OF_DATA.items()
        if name in recipe and name not in taken and recipe[name] != usual
    ]
    if ignored:
        raise ConfigError(
            f"{', '.join(ignored)}: {target} has no such parameter, so this would have no effect; it is a setting of "
            "Encore's own data module"
        )


def check_size(model: dict) -> None:
    """Raise ConfigError for a net of Encore's whose weights and gradients are more than this machine's memory holds.

    The system would end the process without a word, in the middle of drawing the weights. On torch's meta device a net
    has its shapes alone.
    """
    target = str(model.get("_target_"))
    ours = target.startswith("encore.models.") and not target.startswith("encore.models.saved.")  # which reads a file
    if not ours or not hasattr(os, "sysconf"):
        return
    with torch.device("meta"):
        net = build(model, what="model", nested=True)
    if not isinstance(net, nn.Module):
        return
    needed = 2 * sum(weight.numel() * weight.element_size() for weight in net.parameters())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise ConfigError(
            f"model={model['name']} has weights and gradients of {needed / 1e9:,.0f} GB, and this machine has "
            f"{memory / 1e9:,.0f} GB of memory: a smaller net, or fewer classes"
        )


def build_task(cfg: dict) -> pl.LightningModule:
    """Build the task; its constructor gets the engine's parts that it has parameters for."""
    target = cfg["task"]["_target_"]
    offered = {
        "net": cfg["model"], "optim": cfg["optim"], "scheduler": cfg["scheduler"], "augment": cfg["augment"],
        "seed": cfg["seed"],
    }  # fmt: skip
    given = {name: value for name, value in offered.items() if name not in cfg["task"] and takes(target, name)}
    seed_everywhere(derive(cfg["seed"], "weights"), CPU)
    # A task that takes recipes builds its own parts; any other gets live objects.
    task: pl.LightningModule = build(cfg["task"], what="task", nested=not given.keys() - {"seed"}, **given)
    if not isinstance(task, pl.LightningModule):
        raise ConfigError(f"task._target_={target} makes a {type(task).__name__}, not a LightningModule")
    if cfg["trainer"].get("channels_last", True):
        convolutions_channels_last(task)
    return task


def adapt(task: pl.LightningModule, data: Any) -> None:
    """Let a task take what it needs of its data.

    Raises:
        ConfigError: the data have targets to normalise, and the task would not.
    """
    if hasattr(task, "adapt_to"):
        task.adapt_to(data)  # type: ignore[operator]
    elif getattr(data, "target_affine", None) is not None:
        raise ConfigError(
            f"data.normalize_targets: {type(task).__name__} would learn targets as they are: task=regression "
            "normalises them, and any task can that has `adapt_to` (encore.runner.contracts)"
        )


def build_trainer(cfg: dict, folder: Path, data: Any, losses: Losses, place: Place | None = None) -> pl.Trainer:
    """Build Lightning's Trainer, with callbacks, loggers and checkpoints in the run's folder."""
    settings = dict(cfg["trainer"])
    for ours in OUR_SETTINGS:
        settings.pop(ours, None)
    if settings.get("profiler"):
        settings["profiler"] = build_profiler(settings["profiler"], folder)
    if getattr(data, "sizes", {}).get("val") == 0:
        settings["limit_val_batches"] = 0
    if settings.get("deterministic") is True and settings.get("accelerator") != "cpu" and on_mps():
        settings["deterministic"] = "warn"  # some operations have no other form there, such as max pooling's gradient
    if settings.get("strategy") == FSDP:
        settings["strategy"] = FullySharded()
    if place is not None and place.local_ranks != place.ranks:
        settings |= {"devices": place.local_ranks, "num_nodes": place.nodes}
    callbacks = [losses, *build_callbacks(cfg, folder)]
    loggers = build_loggers(cfg, folder)
    try:
        with plugins_found_once():
            return pl.Trainer(
                **settings,
                callbacks=callbacks,
                logger=loggers,
                default_root_dir=str(folder),
                # Also on SLURM, where Lightning would otherwise save and requeue the job itself.
                plugins=[WholeFiles(), LightningEnvironment() if place is None else Cluster(place)],
                num_sanity_val_steps=0,
                enable_checkpointing=any(isinstance(callback, pl.callbacks.Checkpoint) for callback in callbacks),
                enable_progress_bar=shows_bar(callbacks),
                enable_model_summary=False,
                use_distributed_sampler=False,
            )
    except (EncoreError, OSError):
        raise
    except Exception as problem:  # Lightning's connectors take settings as they come
        raise ConfigError(f"trainer: {problem}") from problem


def on_mps() -> bool:
    return torch.backends.mps.is_available() and not torch.cuda.is_available()
