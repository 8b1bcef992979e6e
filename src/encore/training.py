"""A run's work: build the parts from their recipes, fit, test, and record what came out."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException, SIGTERMException

from encore.build import build, build_all
from encore.config import OUR_SETTINGS, has_test, leaves, opens_test, without_test
from encore.data.module import DataModule
from encore.errors import ConfigError, InputError, Interrupted, Preempted
from encore.execution import Execution
from encore.quiet import quiet
from encore.ranks import Ranks, device_count
from encore.record import summary
from encore.record.checkpoint_files import BEST, WholeFiles, digest, load
from encore.record.checkpoints import Checkpoints
from encore.record.losses import Losses
from encore.record.manifest import Manifest
from encore.record.position import Position
from encore.record.profile import profiling
from encore.record.record import Record
from encore.record.result import Result
from encore.record.start import starting_point
from encore.rehearsal import check_accelerator, check_graphs, check_last_batch, rehearse
from encore.speed import (
    allow_tf32,
    compile_net,
    convolutions_channels_last,
    give_back_memory,
    spared,
)
from encore.stopping import Stop


@dataclass
class Parts:
    """The live objects of a run."""

    data: DataModule
    task: pl.LightningModule
    trainer: pl.Trainer
    losses: Losses
    checkpoints: Checkpoints | None
    position: Position
    stop: Stop


def train(cfg: dict, record: Record, stop: Stop, watchers: Sequence[pl.Callback] = ()) -> Result:
    """Train the recorded run from where it stands, test its best weights, and record the result.

    Args:
        cfg: its config.
        record: its folder.
        stop: what asks it to stop.
        watchers: callbacks beside the config's; of the first rank alone, and of no bit of the result.

    Raises:
        EncoreError: what stopped it.
    """
    with quiet(), Ranks(cfg, record.folder) as ranks:
        parts = assemble(cfg, record.folder, stop)
        parts.trainer.callbacks.extend(watchers)  # type: ignore[attr-defined]
        with closing_loggers(parts.trainer):
            start = starting_point(record, parts.position)
            ranks.start(start.path if start else None)
            summary.before(cfg, record.folder, parts.data, parts.task, parts.trainer, start.words if start else None)
            if start is None or start.longer:  # a run that goes on has been shown
                describe(cfg, parts)
            manifest = Manifest.begin(record.folder, record.result, cfg, parts.data, parts.trainer)
            manifest.attempt(record.result.started, start)
            record.manifest, record.stepped = manifest, True
            compile_parts(cfg, parts)
            with profiled(cfg, parts, record.folder):
                fit(parts, start.path if start else None)
            record.seconds_before = parts.position.seconds_before
            trained = outcome(cfg, parts)
            manifest.outcome(parts.task.state_dict(), parts.data.order_sha256, int(parts.trainer.num_training_batches))
            if parts.checkpoints is not None:
                parts.checkpoints.save_best(parts.task)  # where it was stopped just before
            trained["metrics"] |= test(parts, record.checkpoints / BEST)
            conclude(cfg, parts, trained["metrics"])
        with stop.deferred():
            result = record.finish(**trained)
    summary.after(result)
    return result


@contextmanager
def closing_loggers(trainer: pl.Trainer) -> Iterator[None]:
    """Close the files of loggers that have any, however the run ends."""
    try:
        yield
    finally:
        for logger in trainer.loggers:
            if hasattr(logger, "close"):
                logger.close()


def work(cfg: dict, folder: Path, start: Path | None, stop: Stop) -> None:
    """What a rank other than the first does: the same fit and test, recording nothing."""
    with quiet():
        parts = assemble(cfg, folder, stop)
        compile_parts(cfg, parts)
        fit(parts, start)
        test(parts, folder / "checkpoints" / BEST)


def evaluate(cfg: dict, checkpoint: Path, scratch: Path) -> dict[str, float]:
    """Test a checkpoint's weights as the run did, on one device, writing nothing but into `scratch`.

    Raises:
        EncoreError: the checkpoint, the data or the config cannot be used, or the run has no test set.
    """
    if not has_test(cfg):
        raise InputError(f"the run {without_test(cfg)}")
    with quiet():
        return score(restored(cfg, checkpoint, scratch))


def restored(cfg: dict, checkpoint: Path, scratch: Path) -> Parts:
    """A run's parts with a checkpoint's weights, on one device, that write nothing but into `scratch`.

    Raises:
        EncoreError: the checkpoint, the data or the config cannot be used.
    """
    alone = {
        **cfg,
        "logger": {},
        "trainer": {**cfg["trainer"], "devices": 1, "strategy": "auto", "num_nodes": 1},
    }
    parts = assemble(alone, scratch, Stop())
    weights = load(checkpoint)["state_dict"]
    try:
        parts.task.load_state_dict(weights)
    except RuntimeError as problem:
        raise InputError(f"{checkpoint} does not fit the run's model: {problem}") from problem
    compile_parts(cfg, parts)
    return parts


def assemble(cfg: dict, folder: Path, stop: Stop) -> Parts:
    """Build everything, and find what cannot work before the first step.

    Raises:
        ConfigError: parts that cannot be built, or do not fit together or this machine.
        InputError: data that cannot be used.
    """
    torch.set_num_threads(max(1, cfg["threads"] // device_count(cfg)))
    check_accelerator(cfg)
    allow_tf32(cfg["trainer"].get("tf32"))
    data = DataModule(cfg["data"], cfg["data_dir"], cfg["seed"], test=opens_test(cfg))
    data.setup()
    task = build_task(cfg)
    rehearse(cfg, task)
    check_last_batch(cfg, data, task.net)  # type: ignore[arg-type]
    losses = Losses(folder)
    trainer = build_trainer(cfg, folder, data, losses)
    check_graphs(cfg, trainer)
    checkpoints = next((found for found in trainer.callbacks if isinstance(found, Checkpoints)), None)  # type: ignore[attr-defined]
    position = Position(checkpoints, stop, restorable(losses, *trainer.loggers))
    trainer.callbacks.insert(0, position)  # type: ignore[attr-defined]
    trainer.fit_loop.epoch_loop.automatic_optimization = Execution(
        trainer, cfg.get("steps_per_execution", 1), stop, losses.add
    )
    # Lightning would do so only after it has loaded a checkpoint, and cut its doubles to floats.
    trainer.precision_plugin.convert_module(task)
    return Parts(data, task, trainer, losses, checkpoints, position, stop)


def restorable(*logs: Any) -> dict[str, Any]:
    """Those that can be brought back to where they stood, by name."""
    return {type(log).__name__: log for log in logs if hasattr(log, "restore")}


def build_task(cfg: dict) -> pl.LightningModule:
    """Build the task with its recipes; nothing that it holds is a live object from outside."""
    recipes = {
        "net": cfg["model"], "optim": cfg["optim"], "scheduler": cfg["scheduler"], "augment": cfg["augment"],
        "seed": cfg["seed"],
    }  # fmt: skip
    task: pl.LightningModule = build(cfg["task"], what="task", **recipes)
    if cfg["trainer"].get("channels_last", True):
        convolutions_channels_last(task)
    return task


def build_trainer(cfg: dict, folder: Path, data: DataModule, losses: Losses) -> pl.Trainer:
    """Build Lightning's Trainer, with callbacks, loggers and checkpoints of the run's folder."""
    settings = dict(cfg["trainer"])
    for ours in OUR_SETTINGS:
        settings.pop(ours, None)
    if isinstance(settings.get("profiler"), dict):
        settings["profiler"] = build(settings["profiler"], what="trainer.profiler", dirpath=str(folder))
    if not data.sizes["val"]:
        settings["limit_val_batches"] = 0
    if settings.get("deterministic") is True and settings.get("accelerator") != "cpu" and on_mps():
        settings["deterministic"] = "warn"  # some operations have no other form there, such as max pooling's gradient
    try:
        callbacks = [losses, *build_all(cfg["callbacks"], what="callbacks").values()]
        loggers = list(build_all(cfg["logger"], what="logger").values())
        trainer = pl.Trainer(
            **settings,
            callbacks=callbacks,
            logger=loggers,
            default_root_dir=str(folder),
            # Also on SLURM, where Lightning would save and queue the job again by itself.
            plugins=[WholeFiles(), LightningEnvironment()],
            num_sanity_val_steps=0,
            enable_checkpointing=any(isinstance(callback, pl.callbacks.Checkpoint) for callback in callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except (TypeError, ValueError, MisconfigurationException) as problem:
        raise ConfigError(f"trainer: {problem}") from problem
    for logger in loggers:
        if hasattr(logger, "start"):
            logger.start(folder)
    return trainer


def on_mps() -> bool:
    """Whether the best device here is Apple's GPU."""
    return torch.backends.mps.is_available() and not torch.cuda.is_available()


def describe(cfg: dict, parts: Parts) -> None:
    """Show the run to the loggers that can show one."""
    dtype = next((weight.dtype for weight in parts.task.parameters()), torch.float32)
    example = torch.zeros(2, *cfg["data"]["shape"], dtype=dtype)
    metrics = ["loss", *(cfg["task"].get("metrics") or {})]
    for logger in parts.trainer.loggers:
        if hasattr(logger, "describe"):
            logger.describe(cfg, parts.task.net, example, metrics)


def compile_parts(cfg: dict, parts: Parts) -> None:
    """Compile the net for the trainer's device, if that is asked for."""
    compile_net(cfg["trainer"], parts.task.net, parts.trainer.strategy.root_device)  # type: ignore[arg-type]


def profiled(cfg: dict, parts: Parts, folder: Path) -> AbstractContextManager[None]:
    """Finds where the time of a fit goes, if that is asked for."""
    wanted = cfg["trainer"].get("profile")
    return profiling(parts.trainer, parts.task, parts.data, folder) if wanted else nullcontext()


def fit(parts: Parts, start: Path | None) -> None:
    """Train to the end."""
    parts.data.close_test()
    give_back_memory()
    with told_to_stop(), parts.stop.deferred(), spared(parts.trainer):
        try:
            parts.trainer.fit(parts.task, datamodule=parts.data, ckpt_path=start, weights_only=True)
        except MisconfigurationException as problem:
            raise ConfigError(f"trainer: {problem}") from problem
        except torch._dynamo.exc.TorchDynamoException as problem:
            raise ConfigError(f"trainer.compile: {problem}\ntrainer.compile=false does without") from problem


@contextmanager
def told_to_stop() -> Iterator[None]:
    """Raise Interrupted for a second Ctrl-C, and Preempted for a SIGTERM before our own handler is back in place."""
    try:
        yield
    except SIGTERMException as stop:
        raise Preempted("stopped by SIGTERM; the same command goes on") from stop
    except SystemExit as stop:  # Lightning's answer to KeyboardInterrupt
        raise Interrupted("interrupted; the same command goes on from the last checkpoint") from stop


def test(parts: Parts, best: Path) -> dict[str, float]:
    """Load the best weights and test them, once; nothing where there is none to look at."""
    give_back_memory()
    parts.trainer.strategy.barrier()
    if parts.checkpoints is not None:
        held = load(best)
        if held["best"] != parts.checkpoints.best:
            raise InputError(f"{best} holds other weights than the best of this run")
        parts.task.load_state_dict(held["state_dict"])
    return score(parts) if parts.data.sizes["test"] else {}


def score(parts: Parts) -> dict[str, float]:
    """The test metrics of the task's weights."""
    with told_to_stop():
        scores = parts.trainer.test(parts.task, parts.data, verbose=False)[0]
    return {name: float(value) for name, value in scores.items()}


def outcome(cfg: dict, parts: Parts) -> dict[str, Any]:
    """What training gave: the last epoch's metrics, the best value, digests and lengths."""
    trainer = parts.trainer
    logged = trainer.callback_metrics
    metrics = {name: float(logged[name]) for split in ("train/", "val/") for name in logged if name.startswith(split)}
    best = next((dict(c.best) for c in trainer.callbacks if getattr(c, "best", None)), {})  # type: ignore[attr-defined]
    epochs = trainer.fit_loop.epoch_progress.current.completed
    weights = parts.task.state_dict()
    return {
        "metrics": metrics,
        "monitored": metrics.get("train/loss") if best.get("value") is None else best["value"],
        "best": best,
        "weights_sha256": digest(weights),
        "losses_sha256": parts.losses.sha256,
        "epochs": epochs,
        "steps": trainer.global_step,
        # also where it was the last epoch: a longer run would have stopped here, too
        "stopped_early": trainer.should_stop or epochs < cfg["trainer"]["max_epochs"],
    }


def conclude(cfg: dict, parts: Parts, metrics: dict[str, float]) -> None:
    """Show the loggers what the settings gave."""
    for logger in parts.trainer.loggers:
        if hasattr(logger, "conclude"):
            logger.conclude(columns(cfg), metrics)


# What HPARAMS has no column for: where a run lives, what it loads from, what watches it.
NO_COLUMN = {"runs_dir", "data_dir", "fresh", "_target_", "train", "test", "sha256", "callbacks", "logger", "metrics"}


def columns(cfg: dict) -> dict[str, int | float | str]:
    """The settings that are numbers, texts or switches, by dotted path."""
    shown = ((path, value) for path, value in leaves(cfg) if NO_COLUMN.isdisjoint(path.split(".")))
    return {path: value for path, value in shown if isinstance(value, int | float | str)}
