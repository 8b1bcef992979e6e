"""One run, from a config to its result, without torch until there is something to compute."""

import io
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING

from encore.record.record import Record
from encore.record.result import Result
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
