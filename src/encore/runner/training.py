"""A run's work: build the parts from their recipes, fit, test, and record the results."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.model_helpers import is_overridden

from encore.across_ranks import from_first
from encore.callbacks.lightning import check_before_training
from encore.config.facts import has_test, opens_test, without_test
from encore.errors import ConfigError, EncoreError, InputError
from encore.fast.memory import give_back_memory
from encore.fast.spared import spared
from encore.files import digest
from encore.loggers.lifecycle import closing
from encore.record.checkpoint_files import BEST, weights
from encore.record.checkpoint_files import best as best_of
from encore.record.record import Record
from encore.record.result import Result
from encore.runner import summary
from encore.runner.first_weights import begin_from
from encore.runner.interruptions import heeding, told_to_stop
from encore.runner.observers import Run, observers
from encore.runner.parts import Parts, assemble
from encore.runner.preflight import place_of
from encore.runner.profile import profiling
from encore.runner.quiet import quiet
from encore.runner.ranks import Ranks
from encore.runner.resume import begin
from encore.runner.sharded import FullySharded
from encore.runner.together import Group
from encore.runner.torch_settings import compile_net
from encore.seeding import derive, seed_everywhere
from encore.stopping import Stop


def train(
    cfg: dict, record: Record, stop: Stop, watchers: Sequence[pl.Callback] = (), group: Group | None = None
) -> Result:
    """Train the recorded run from where it stands, test its best weights, and record the result.

    Args:
        cfg: its config.
        record: its folder.
        stop: what asks it to stop.
        watchers: callbacks in addition to the config's, on the first rank only; they change no bit of the result.
        group: the ranks, if torchrun or srun started them.

    Raises:
        EncoreError: what stopped it.
    """
    company = accompanied(cfg, watchers) if cfg.get("population") else []
    with quiet(), Ranks(cfg, record, group) as ranks:
        parts = assemble(cfg, record.folder, stop, group=ranks.group)
        first = begin_from(cfg, parts)
        parts.trainer.callbacks.extend([*watchers, *company])  # type: ignore[attr-defined]
        check_before_training(cfg)
        with closing(parts.trainer.loggers):
            run, told = Run(cfg, record, parts, begin(record, parts.position, parts.task), first), observers(ranks)
            for observer in told:
                observer.start(run)
            try:
                fit(cfg, parts, run.start.path if run.start else None, record.folder)
            finally:
                record.stepped = run.start is not None or has_stepped(parts.trainer)
            record.seconds_before = parts.position.seconds_before
            trained = outcome(cfg, parts)
            for observer in told:
                observer.trained(run)
            if parts.checkpoints is not None:
                parts.checkpoints.save_best(parts.task)  # if the run stopped just before that
            trained["metrics"] |= test(cfg, parts, record.checkpoints / BEST)
            for observer in told:
                observer.finish(run, trained)
        with stop.deferred():
            return record.finish(summary.after, **trained)


def accompanied(cfg: dict, watchers: Sequence[pl.Callback]) -> list[pl.Callback]:
    """What lets a run of a population train without the others: copies of itself.

    Raises:
        ConfigError: the run cannot be one of several that train together.
    """
    from encore.population.population import Companion, Population
    from encore.population.refusals import against_config

    if reason := against_config(cfg):
        raise ConfigError(f"population={cfg['population']}: {reason}; population=null runs it alone")
    together = any(isinstance(watcher, Companion) for watcher in watchers)
    return [] if together else [Population(cfg["population"]).companion()]


def evaluate(cfg: dict, checkpoint: Path, scratch: Path) -> dict[str, float]:
    """Test a checkpoint's weights as the run did, on one device, writing nothing outside `scratch`.

    Raises:
        EncoreError: the checkpoint, the data or the config cannot be used, or the run has no test set.
    """
    if not has_test(cfg):
        raise InputError(f"the run {without_test(cfg)}")
    with quiet():
        parts = restored(cfg, checkpoint, scratch)
        if not is_tested(cfg, parts):
            raise InputError(f"the run has no test set: {type(parts.data).__name__} or the task has none")
        return score(parts)


def restored(cfg: dict, checkpoint: Path, scratch: Path) -> Parts:
    """A run's parts with a checkpoint's weights, on one device, writing nothing outside `scratch`.

    Raises:
        EncoreError: the checkpoint, the data or the config cannot be used.
    """
    alone = {
        **cfg,
        "logger": {},
        "trainer": {**cfg["trainer"], "devices": 1, "strategy": "auto", "num_nodes": 1},
    }
    parts = assemble(alone, scratch, Stop(), chooses=False)
    held = weights(checkpoint)
    try:
        parts.task.load_state_dict(held)
    except RuntimeError as problem:
        raise InputError(f"{checkpoint} does not fit the run's model: {problem}") from problem
    compile_parts(cfg, parts)
    return parts


def compile_parts(cfg: dict, parts: Parts) -> None:
    if hasattr(parts.task, "net"):
        compile_net(cfg["trainer"], parts.task.net, parts.trainer.strategy.root_device)  # type: ignore[arg-type]


def profiled(cfg: dict, parts: Parts, folder: Path | None) -> AbstractContextManager[None]:
    """Profile the fit if `folder` is given."""
    wanted = cfg["trainer"].get("profile") and folder is not None
    return profiling(parts.trainer, parts.task, parts.data, folder) if wanted else nullcontext()  # type: ignore[arg-type]


def fit(cfg: dict, parts: Parts, start: Path | None, profile: Path | None = None) -> None:
    """Train to the end.

    Args:
        cfg: the run's config.
        parts: of the run.
        start: the checkpoint to resume from.
        profile: the folder for a profile, if one is asked for.

    Raises:
        ConfigError: it cannot begin.
    """
    compile_parts(cfg, parts)
    if hasattr(parts.data, "close_test"):
        parts.data.close_test()
    give_back_memory()
    seed_everywhere(derive(cfg["seed"], "fit"), torch.device("cpu"))
    fast = spared(parts.trainer) if parts.several_steps else nullcontext()
    if parts.group is not None:
        parts.group.connect(parts.trainer.strategy)
        if getattr(parts.data, "node", None) is not None:
            parts.data.node.release()  # all ranks have it
    with profiled(cfg, parts, profile), told_to_stop(), parts.stop.deferred(), heeding(parts.stop), fast:
        try:
            parts.trainer.fit(parts.task, datamodule=parts.data, ckpt_path=start, weights_only=True)
            if isinstance(parts.trainer.strategy, FullySharded):
                parts.trainer.strategy.gather()
        except MisconfigurationException as problem:
            raise ConfigError(f"trainer: {problem}") from problem
        except (EncoreError, OSError):
            raise
        except Exception as problem:  # of whatever part: preflight tries each, not what they do together
            if any(kind.__name__ == "TorchDynamoException" for kind in type(problem).__mro__):  # without importing it
                raise ConfigError(f"trainer.compile: {problem}\ntrainer.compile=false does without") from problem
            if parts.group is not None and (cause := parts.group.cause(problem)) is not None:
                raise cause from problem
            if has_stepped(parts.trainer):
                raise
            raise ConfigError(
                f"training cannot begin: {type(problem).__name__}: {problem}{place_of(problem)}{remedy(problem)}"
            ) from problem


def remedy(problem: Exception) -> str:
    """What to do where an operation has no form that gives the same bits each time, as some on a GPU; else nothing."""
    if "CUBLAS_WORKSPACE_CONFIG" in str(problem):  # which torch looked at before the run set it
        return (
            "\nthis process has multiplied on the GPU before: start it with CUBLAS_WORKSPACE_CONFIG=:4096:8, or run "
            "`python train.py`, which is a process of its own"
        )
    if "deterministic implementation" in str(problem):
        return "\ntrainer.deterministic=warn lets it run all the same; its bits then differ from one run to the next"
    return ""


def has_stepped(trainer: pl.Trainer) -> bool:
    """Whether a batch has been trained on."""
    return bool(trainer.fit_loop.epoch_loop.batch_progress.total.completed)


def test(cfg: dict, parts: Parts, best: Path) -> dict[str, float]:
    """Load the best weights and test them, once; empty if there is no test set to read."""
    give_back_memory()
    parts.trainer.strategy.barrier()
    if parts.checkpoints is not None:
        held = from_first(lambda: best_of(best))
        if held["best"] != parts.checkpoints.best:
            raise InputError(f"{best} does not hold this run's best weights")
        parts.task.load_state_dict(held["state_dict"])
    return score(parts) if is_tested(cfg, parts) else {}


def is_tested(cfg: dict, parts: Parts) -> bool:
    """Whether there is a test set that may be read, and a task that tests."""
    held = getattr(parts.data, "sizes", {}).get("test", is_overridden("test_dataloader", parts.data))
    return bool(held) and opens_test(cfg) and is_overridden("test_step", parts.task)


def score(parts: Parts) -> dict[str, float]:
    """Test metrics of the task's current weights."""
    with told_to_stop():
        scores = parts.trainer.test(parts.task, parts.data, verbose=False)
    return {name: float(value) for of_loader in scores for name, value in of_loader.items()}


def outcome(cfg: dict, parts: Parts) -> dict[str, Any]:
    """What training produced: the last epoch's metrics, the best value, digests and lengths."""
    trainer = parts.trainer
    logged = {name: float(value) for name, value in trainer.callback_metrics.items() if value.numel() == 1}
    by_split = sorted(logged, key=lambda name: (not name.startswith("train/"), not name.startswith("val/")))
    metrics = {name: logged[name] for name in by_split}
    best = next((dict(c.best) for c in trainer.callbacks if getattr(c, "best", None)), {})  # type: ignore[attr-defined]
    epochs = trainer.fit_loop.epoch_progress.current.completed
    return {
        "metrics": metrics,
        "monitored": metrics.get("train/loss") if best.get("value") is None else best["value"],
        "best": best,
        "weights_sha256": digest(parts.task.state_dict()),
        "losses_sha256": parts.losses.sha256,
        "epochs": epochs,
        "steps": trainer.global_step,
        # even if this was the last epoch: a longer run would also have stopped here
        "stopped_early": trainer.should_stop or epochs < cfg["trainer"]["max_epochs"],
    }
