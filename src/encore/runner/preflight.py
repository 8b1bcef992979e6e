"""Checks that find what cannot work before the first step."""

import copy
import math
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment

from encore.config.accelerator import device_count, lacking
from encore.config.monitors import against_modes, mode_by_name, watched
from encore.errors import ConfigError, EncoreError, NoDevice
from encore.runner.contracts import examples_of
from encore.runner.interruptions import told_to_stop
from encore.seeding import derive, seed_everywhere


def preflight(cfg: dict, task: pl.LightningModule, data: Any, chooses: bool = True) -> None:
    """Let every part work once.

    Args:
        cfg: the run's config.
        task: its task.
        data: its data module.
        chooses: whether the run will choose by metrics; a finished one whose weights are loaded has chosen.

    Raises:
        ConfigError: parts do not fit together, or the run would fail at its first batch.
    """
    if cfg["trainer"].get("compile") and not hasattr(task, "net"):
        raise ConfigError(f"trainer.compile=true compiles a task's `net`, and {type(task).__name__} has none")
    if cfg["trainer"].get("profile") and not getattr(data, "by_place", False):
        raise ConfigError(
            f"trainer.profile=true times Encore's own loaders only, not those of {type(data).__name__}: "
            "+trainer.profiler=simple is Lightning's"
        )
    if not (hasattr(task, "rehearse") and hasattr(data, "example")):
        logged = one_batch(cfg, task, data)
        if chooses:
            check_modes(cfg, {**of_tally(task), **logged})
        return
    rehearse(cfg, task, *data.example(2))
    if chooses:
        check_modes(cfg, of_tally(task))
    check_last_batch(cfg, task, data)
    check_limits(cfg, data)


def rehearse(cfg: dict, task: Any, inputs: Any, targets: Any) -> None:
    """Let a task try out its step by its own method."""
    try:
        task.rehearse(inputs, targets)
    except EncoreError:
        raise
    except Exception as problem:
        shape = cfg["data"].get("shape")
        raise ConfigError(
            f"model, augment, task.metrics and data.shape={shape} do not fit together: {problem}{place_of(problem)}"
        ) from problem
    check_watched(cfg, task, inputs, targets)
    try:
        task.rehearse_optim(cfg["trainer"]["max_epochs"])
    except EncoreError:
        raise
    except Exception as problem:
        raise ConfigError(
            f"optim={cfg['optim']['name']} and scheduler={cfg['scheduler']['name']} cannot work: {problem}"
        ) from problem


def check_watched(cfg: dict, task: Any, inputs: Any, targets: Any) -> None:
    """Raise ConfigError if something is to be chosen by a metric of Encore's tasks that is more than one number."""
    scores = getattr(getattr(task, "val_tally", None), "scores", {})
    paths: dict[str, str] = {}
    for path, _, metric, _ in watched(cfg):
        if (name := metric.partition("/")[2]) in scores:
            paths.setdefault(name, f"{path}={metric}")
    if not paths:
        return
    trial = copy.deepcopy(task).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # metrics give them of so few examples
        trial.evaluate((inputs, targets), trial.val_tally)
        trial.val_tally.count()
        for name, path in paths.items():
            try:
                value = trial.val_tally.scores[name].compute()
            except (ValueError, RuntimeError):  # some need more examples
                continue
            if not (isinstance(value, torch.Tensor) and value.numel() == 1):
                raise ConfigError(
                    f"{path} is more than one number: nothing can be chosen by it (average=macro makes it one)"
                )


def of_tally(task: Any) -> dict[str, Any]:
    """The metrics of Encore's tasks, by their names in the log."""
    scores = getattr(getattr(task, "val_tally", None), "scores", {})
    return {f"{split}/{name}": metric for split in ("train", "val") for name, metric in scores.items()}


def check_modes(cfg: dict, built: dict[str, Any]) -> None:
    """Raise ConfigError for a mode that takes the worst value of a metric for the best.

    torchmetrics' say themselves which way is better; of others their names do. The mode of one that nobody knows is the
    user's to choose.

    Args:
        cfg: the config.
        built: metrics by their names in the log.
    """
    better = {}
    for _, _, metric, _ in watched(cfg):
        higher = getattr(built.get(metric), "higher_is_better", None)
        better[metric] = mode_by_name(cfg, metric) if higher is None else "max" if higher else "min"
    if problems := list(against_modes(cfg, better)):
        raise ConfigError("\n".join(problems))


def one_batch(cfg: dict, task: pl.LightningModule, data: Any) -> dict[str, Any]:
    """Let copies of the task and the data take one training and one validation step, as the run will.

    Returns:
        The torchmetrics' metrics that it logged, by name.

    Raises:
        ConfigError: they cannot, or the metric that the best weights are chosen by is not logged.
    """
    settings = {name: cfg["trainer"].get(name) for name in ("accelerator", "precision", "deterministic")}
    seed_everywhere(derive(cfg["seed"], "preflight"), torch.device("cpu"))
    by_place = getattr(data, "by_place", False)  # its examples are in memory already and stay unchanged
    trial, trial_data = copy.deepcopy(task), copy.copy(data) if by_place else copy.deepcopy(data)
    try:
        with told_to_stop(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the run itself gives them
            trainer = pl.Trainer(
                **settings,
                devices=1,
                plugins=[LightningEnvironment()],  # alone, even if torchrun or srun started this process
                fast_dev_run=1,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(trial, datamodule=trial_data)
    except EncoreError:
        raise
    except Exception as problem:
        raise ConfigError(
            f"the first batch fails with task={type(task).__name__} and data={type(data).__name__}: "
            f"{type(problem).__name__}: {problem}{place_of(problem)}"
        ) from problem
    check_monitor(cfg, trainer, task)
    loops = (trainer.fit_loop.epoch_loop, trainer.fit_loop.epoch_loop.val_loop)
    logged = (each for loop in loops for each in loop._results.result_metrics)
    return {each.meta.name: each.value for each in logged if not each.is_tensor}


def place_of(problem: BaseException) -> str:
    """The last line outside of installed packages that an error passed through."""
    frames = traceback.extract_tb(problem.__traceback__)
    own = [each for each in frames if "site-packages" not in each.filename and "encore/runner" not in each.filename]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""


def check_monitor(cfg: dict, trainer: pl.Trainer, task: pl.LightningModule) -> None:
    """Raise ConfigError if validation does not log the metric that chooses the best weights."""
    metric, known = cfg["monitor"]["metric"], sorted(trainer.callback_metrics)
    validates = trainer.fit_loop.epoch_loop.val_loop.max_batches and cfg["trainer"].get("limit_val_batches") != 0
    if validates and metric not in known:
        raise ConfigError(
            f"monitor.metric={metric}: {type(task).__name__} does not log it, so the best weights could not be chosen; "
            f"it logs {', '.join(known) or 'nothing'}"
        )


ACCELERATORS: dict[str, Callable[[], bool]] = {
    "gpu": lambda: torch.cuda.is_available() or torch.backends.mps.is_available(),
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
}


def check_accelerator(cfg: dict) -> None:
    """Raise NoDevice if torch cannot use what the trainer asks for, though there may be a driver for it."""
    wanted = cfg["trainer"].get("accelerator")
    if (available := ACCELERATORS.get(wanted)) and not available():
        raise NoDevice(lacking(wanted))


def check_graphs(cfg: dict, trainer: pl.Trainer) -> None:
    """Raise ConfigError if CUDA graphs would have to accumulate gradients, which the next launch overwrites."""
    accumulates = trainer.accumulate_grad_batches > 1 or any(
        isinstance(part, pl.callbacks.GradientAccumulationScheduler)
        for part in trainer.callbacks  # type: ignore[attr-defined]
    )
    if cfg["trainer"].get("cuda_graphs") and accumulates:
        raise ConfigError(
            "trainer.cuda_graphs=true cannot accumulate gradients: use trainer.accumulate_grad_batches=1 and a larger "
            "data.batch_size, or trainer.cuda_graphs=false"
        )


def check_last_batch(cfg: dict, task: Any, data: Any) -> None:
    """Check that every rank has an example of every batch, and enough of them for batch norm."""
    size, examples, ranks = data.batch_size, data.sizes["train"], device_count(cfg)
    last = examples % size
    smallest = size if cfg["data"]["drop_last"] or not last else last
    try:
        if smallest < ranks:
            raise ValueError(f"there are {ranks} ranks")
        inputs, _ = data.example(smallest // ranks)
        assert examples_of(inputs) == smallest // ranks
        with torch.no_grad():
            trial = task.with_same_tallies() if hasattr(task, "with_same_tallies") else copy.deepcopy(task)
            trial.train()(inputs)
    except ValueError as problem:  # torch requires more than one value per channel
        raise ConfigError(
            f"data.batch_size={size} leaves a batch of {smallest} of the {examples} training examples: {problem}\n"
            "choose another data.batch_size, or data.drop_last=true"
        ) from problem


def check_limits(cfg: dict, data: Any) -> None:
    """Raise ConfigError for a part of a split's batches that is less than one of them."""
    for split, examples in data.sizes.items():
        limit = cfg["trainer"].get(f"limit_{split}_batches")
        if isinstance(limit, float) and not math.isfinite(limit):
            raise ConfigError(f"trainer.limit_{split}_batches={limit}: must be a part, 0 to 1, or a number of batches")
        batches = -(-examples // (data.batch_size if split == "train" else cfg["data"]["eval_batch_size"]))
        if batches and isinstance(limit, float) and limit > 0 and int(batches * limit) == 0:
            raise ConfigError(
                f"trainer.limit_{split}_batches={limit} of {batches} batches is less than one: a whole number counts "
                "batches"
            )
