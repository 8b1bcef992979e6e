"""One run, from a config to its result, without torch until there is something to compute."""

import io
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING

from encore.errors import Busy, Diverged
from encore.fingerprint import fingerprint
from encore.record.lock import waiting_for
from encore.record.record import Record, folder_of
from encore.record.result import Result, readable
from encore.stopping import Stop

if TYPE_CHECKING:
    import pytorch_lightning as pl


def execute(cfg: dict, watchers: "Callable[[], list[pl.Callback]]" = list, *, silent: bool = False) -> Result:
    """Train, test and record one run of a checked config; a finished one is not run again.

    Args:
        cfg: the config.
        watchers: makes callbacks that are no part of the run: they may look at it, and end it.
        silent: what it says is in its train.log alone.

    Raises:
        EncoreError: what stopped it; its `code` is the exit code.
    """
    told = redirect_stdout(io.StringIO()) if silent else nullcontext()
    with told, Stop() as stop, Record.open(cfg) as record:
        if record.result.status == "finished":
            print(f"finished already: {record.folder} (fresh=true runs it again)")
            return record.result
        from encore.training import train

        return train(cfg, record, stop, watchers())


def result_of(cfg: dict) -> Result:
    """What a run gave, run silently if it has neither finished nor diverged before.

    Raises:
        EncoreError: it could not be run to its end.
    """
    mark = fingerprint(cfg)
    folder = folder_of(cfg, mark)
    while True:
        before = readable(folder)
        if before is not None and (before.status, before.fingerprint) == ("diverged", mark):  # it would do so again
            return before
        try:
            return execute(cfg, silent=True)
        except Diverged:
            return Result.read(folder)
        except Busy:  # its result will be ours, too
            with waiting_for(folder, seconds=0.5):
                pass
