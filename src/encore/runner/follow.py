"""The ranks after the first: the same fit and test, recording nothing."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from encore.record.checkpoint_files import BEST
from encore.runner.first_weights import begin_from
from encore.runner.parts import assemble
from encore.runner.quiet import quiet
from encore.runner.together import Group
from encore.runner.training import fit, test
from encore.stopping import Stop

log = logging.getLogger("encore")


def follow(cfg: dict, group: Group, stop: Stop) -> Any:
    """Do the work of a rank, from the moment when the first one knows where the run stands, and end with all.

    Returns:
        What the first rank says of the end.

    Raises:
        EncoreError: what ended the run.
    """
    log.propagate = False  # the first rank says it all
    with quiet(), tempfile.TemporaryDirectory() as own:
        begun = group.hear("start", "end")
        if "checkpoint" not in begun:
            return begun  # it has finished before
        there = Path(begun["folder"])
        parts = assemble(cfg, there if there.is_dir() else Path(own), stop, group=group)
        begin_from(cfg, parts)
        fit(cfg, parts, begun["checkpoint"] and Path(begun["checkpoint"]))
        test(cfg, parts, there / "checkpoints" / BEST)
        return group.hear("end")
