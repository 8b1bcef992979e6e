"""One run, from a config to its result; torch is not imported until there is something to compute."""

import io
import logging
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING

from encore.config import signature
from encore.config.accelerator import check_device
from encore.errors import Busy, Diverged
from encore.files import explained
from encore.provenance.fingerprint import Identity, identity
from encore.record.lock import waiting_for
from encore.record.record import Record, folder_of
from encore.record.result import Result, readable
from encore.runner import announcement
from encore.stopping import Stop
from encore.terminal import say

if TYPE_CHECKING:
    import pytorch_lightning as pl

log = logging.getLogger("encore")


def execute(
    cfg: dict,
    watchers: "Callable[[], list[pl.Callback]]" = list,
    *,
    silent: bool = False,
    known: Identity | None = None,
) -> Result:
    """Train, test and record one run of a checked config; a finished run is not repeated.

    Args:
        cfg: the config.
        watchers: makes callbacks that are not part of the run: they may watch it and end it.
        silent: its output goes to train.log only.
        known: its identity, where that has just been found.

    Raises:
        EncoreError: what stopped it; its `code` is the exit code.
    """
    told = redirect_stdout(io.StringIO()) if silent else nullcontext()
    announced = announcement.settings(cfg)
    with told, explained(), Stop() as stop:
        say(announced)  # before files are read, after which the run's folder is named
        with Record.open(cfg, known) as record:
            if record.result.status == "finished":
                say(f"finished already: {record.folder} (fresh=true runs it again)")
                return record.result
            check_device(cfg)
            log.debug("%s", announced)  # for train.log
            log.info("%s", announcement.place(record.folder))
            signature.parsed.cache_clear()  # syntax trees: 5 MB
            from encore.runner.as_before import as_before
            from encore.runner.training import train

            with as_before():
                return train(cfg, record, stop, watchers())


def result_of(cfg: dict) -> Result:
    """The result of a run, which runs silently unless it has finished or diverged before.

    Raises:
        EncoreError: it could not be run to its end.
    """
    while True:
        known = identity(cfg)
        folder = folder_of(cfg, known)
        before = readable(folder)
        if before is not None and (before.status, before.fingerprint) == ("diverged", known.mark):
            return before  # it would diverge again
        try:
            return execute(cfg, silent=True, known=known)
        except Diverged:
            return Result.read(folder)
        except Busy:  # its result will be the same
            with waiting_for(folder, seconds=0.5):
                pass
