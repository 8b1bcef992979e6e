"""A finished run's parts, restored: its net with recorded weights, and its data."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from encore.config.accelerator import at_hand
from encore.config.facts import data_target, encores_data, encores_task, has_own_data_module, has_validation
from encore.data.offline import downloads_refused
from encore.errors import InputError
from encore.provenance.files_read import check_unchanged
from encore.provenance.trust import check_config
from encore.record import seal
from encore.record.reading import read_manifest
from encore.record.result import Result
from encore.runner.parts import Parts
from encore.runner.quiet import quiet
from encore.runner.training import restored

# Callbacks that leave validation the weights that a checkpoint holds.
LEAVE_WEIGHTS = (
    "encore.callbacks.",
    "pytorch_lightning.callbacks.EarlyStopping",
    "pytorch_lightning.callbacks.LearningRateMonitor",
)


def validation_again(cfg: dict) -> bool:
    """Whether a run's last validation saw the weights of its last step, and can be done again."""
    every = {"check_val_every_n_epoch": (None, 1), "val_check_interval": (None, 1.0), "max_steps": (-1,)}
    at_ends = all(cfg["trainer"].get(name, usual[-1]) in usual for name, usual in every.items())
    targets = [str(recipe["_target_"]) for recipe in (cfg["callbacks"] or {}).values() if recipe]
    plain = all(target.startswith(LEAVE_WEIGHTS) for target in targets)
    at_ends = at_ends and cfg["trainer"].get("max_time") is None
    return has_validation(cfg) and encores_data(cfg) and encores_task(cfg) and at_ends and plain


def validate(cfg: dict, checkpoint: Path, epoch: int, scratch: Path) -> dict[str, float]:
    """The validation metrics of a checkpoint's weights, as after an epoch, counted from 0, writing into `scratch`.

    Raises:
        InputError: the checkpoint or the data cannot be used.
    """
    with quiet():
        parts = restored(cfg, checkpoint, scratch)
        # The epoch, from which what is random is drawn.
        parts.trainer.fit_loop.epoch_progress.current.completed = epoch
        (scores,) = parts.trainer.validate(parts.task, parts.data, verbose=False)
        return {name: float(value) for name, value in scores.items()}


@contextmanager
def restored_run(folder: Path, cfg: dict, checkpoint: str) -> Iterator[Parts]:
    """A run's parts on one device, in evaluation mode, that write nothing.

    Args:
        folder: of the run.
        cfg: its recorded config.
        checkpoint: whose weights: `best.ckpt` or `last.ckpt`.

    Raises:
        InputError: the record, the checkpoint or the data cannot be used, or were changed after the run.
    """
    if has_own_data_module(cfg):
        raise InputError(
            f"{folder}: this reads examples one by one, which Encore's own data module gives, and "
            f"{data_target(cfg)} does not"
        )
    Result.read(folder)
    seal.check(folder, f"checkpoints/{checkpoint}")
    # The normalisation is fitted on the training examples: other data would change it.
    held = read_manifest(folder)
    check_unchanged(held["data"]["files"], cfg)
    check_config(cfg, held, folder)
    on = at_hand(cfg["trainer"].get("accelerator", "auto"))
    here = {**cfg, "trainer": {**cfg["trainer"], "accelerator": on}}
    with tempfile.TemporaryDirectory() as scratch, quiet(), downloads_refused():
        parts = restored(here, folder / "checkpoints" / checkpoint, Path(scratch))
        parts.data.trainer = parts.trainer
        parts.task.to(parts.trainer.strategy.root_device).eval()
        yield parts
