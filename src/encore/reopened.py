"""A finished run's parts, as it left them: its net with recorded weights, and the data that it had."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from encore.accelerator import at_hand
from encore.data.files import check_unchanged
from encore.quiet import quiet
from encore.record.files import read_json
from encore.training import Parts, restored


@contextmanager
def reopened(folder: Path, cfg: dict, checkpoint: str) -> Iterator[Parts]:
    """A run's parts on one device, in evaluation mode, that write nothing.

    Args:
        folder: of the run.
        cfg: its recorded config.
        checkpoint: whose weights: `best.ckpt` or `last.ckpt`.

    Raises:
        InputError: the record, the checkpoint or the data cannot be used, or the data have changed.
    """
    # The normalisation comes from the training examples: of other data it would be another.
    check_unchanged(read_json(folder / "manifest.json")["data"]["files"], cfg)
    on = at_hand(cfg["trainer"].get("accelerator", "auto"))
    here = {**cfg, "trainer": {**cfg["trainer"], "accelerator": on}}
    with tempfile.TemporaryDirectory() as scratch, quiet():
        parts = restored(here, folder / "checkpoints" / checkpoint, Path(scratch))
        parts.data.trainer = parts.trainer
        parts.task.to(parts.trainer.strategy.root_device).eval()
        yield parts
