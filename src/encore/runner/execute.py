"""One run, from a config to its result; torch is not imported until there is something to compute."""

import io
import logging
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from encore.config import signature
from encore.config.accelerator import check_device
from encore.config.launched import Place, launched
from encore.errors import Busy, Diverged
from encore.fast import garbage
from encore.files import explained
from encore.provenance.fingerprint import Identity, essential, identity
from encore.provenance.variables import counted
from encore.record.lock import waiting_for
from encore.record.record import Record, folder_of
from encore.record.result import Result, readable
from encore.runner import announcement
from encore.stopping import Stop
from encore.terminal import say

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from encore.runner.together import Group

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
    place = launched()
    follows = place is not None and place.rank > 0
    told = redirect_stdout(io.StringIO()) if silent or follows else nullcontext()
    with told, explained(), Stop(deaf=follows) as stop:
        what = announcement.settings(cfg)
        say(what)  # before files are read, after which the run's folder is named
        if place is None:
            return recorded(cfg, what, stop, watchers, known)
        return together(cfg, what, stop, watchers, known or identity(cfg), place)


def together(
    cfg: dict, what: str, stop: Stop, watchers: "Callable[[], list[pl.Callback]]", known: Identity, place: Place
) -> Result:
    """Be one of the processes that torchrun or srun started; the first one records the run."""
    from encore.runner.rendezvous import store_of
    from encore.runner.together import RUNS, Group

    group = Group(place, store_of(place), next(RUNS))
    with group.ending():
        code = {"code": known.code.digests, "packages": known.code.packages, "variables": counted(cfg)}
        group.agree({"config": essential(cfg), **code})
        if place.rank == 0:
            result = recorded(cfg, what, stop, watchers, known, group)
            group.tell("end", vars(result))
            return result
        from encore.runner.follow import follow

        said = follow(cfg, group, stop)
        return Result(**{**said, "folder": Path(said["folder"])})


def recorded(
    cfg: dict,
    what: str,
    stop: Stop,
    watchers: "Callable[[], list[pl.Callback]]",
    known: Identity | None,
    group: "Group | None" = None,
) -> Result:
    """Train and record a run, or return its result if it has finished.

    Args:
        cfg: the config.
        what: is run, in words.
        stop: what asks it to stop.
        watchers: as `execute` takes them.
        known: its identity, where that has just been found.
        group: the ranks, if torchrun or srun started them.
    """
    with Record.open(cfg, known) as record:
        if record.result.status == "finished":
            say(f"finished already: {record.folder} (fresh=true runs it again)")
            return record.result
        check_device(cfg)
        log.debug("%s", what)  # for train.log
        log.info("%s", announcement.place(record.folder))
        signature.parsed.cache_clear()  # syntax trees: 5 MB
        from encore.runner.as_before import as_before
        from encore.runner.training import train

        garbage.search_as_usual()
        with as_before():
            return train(cfg, record, stop, watchers(), group)


def result_of(cfg: dict, waits: bool = True) -> Result:
    """The result of a run, which runs silently unless it has finished or diverged before.

    Args:
        cfg: its config.
        waits: for another process that runs it.

    Raises:
        Busy: another process runs it.
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
            if not waits:
                raise
            with waiting_for(folder, seconds=0.5):
                pass
