"""A run's folder: who holds it, what ran in it, and what came out."""

import errno
import itertools
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from encore.errors import CannotWrite, ConfigError, EncoreError, InputError, Interrupted
from encore.fingerprint import fingerprint, lineage
from encore.record.files import FULL, write_text
from encore.record.lock import LOCK, held, remedy
from encore.record.result import Result, readable
from encore.record.terminal import start_logging, stop_logging

if TYPE_CHECKING:
    from encore.record.manifest import Manifest

log = logging.getLogger("encore")

FULL_OR_FORBIDDEN = (*FULL, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
SHOWN = 10  # characters of the fingerprint in a folder's name


class Record:
    """A run folder that this process holds."""

    def __init__(self, folder: Path, cfg: dict, mark: str) -> None:
        self.folder, self.cfg = folder, cfg
        self.checkpoints = folder / "checkpoints"
        self.began, self.seconds_before = time.monotonic(), 0.0
        self.stepped = False  # until then there is nothing to lose
        self.before = readable(folder)  # what an attempt before has left
        self.manifest: Manifest | None = None
        self.result = Result(
            folder=folder,
            status="running",
            fingerprint=mark,
            lineage=lineage(cfg),
            seed=cfg["seed"],
            name=run_name(cfg),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    @classmethod
    @contextmanager
    def open(cls, cfg: dict) -> Iterator["Record"]:
        """Hold the run's folder, made if need be, until the end; record how the run ended.

        A run that never took a step, because its data or settings turned out unusable, leaves no folder.

        Raises:
            CannotWrite: the folder cannot be made, or is full.
            Busy: another process holds it.
        """
        mark = fingerprint(cfg)
        folder = folder_of(cfg, mark)
        record = cls(folder, cfg, mark)
        if record.finished_before():  # nothing is written, so nothing need be held
            yield record
            return
        existed = folder.exists()
        with held(folder):
            record.before = readable(folder)  # it may have been finished in between
            if record.finished_before():
                yield record
                return
            try:
                record.begin()
                yield record
            except (ConfigError, InputError) as problem:
                if not existed and not record.stepped:
                    record.discard()
                else:
                    record.end("failed", str(problem))
                raise
            except OSError as problem:
                if problem.errno in FULL_OR_FORBIDDEN:
                    record.end_if_possible("failed", str(problem))
                    raise CannotWrite(f"{folder} cannot be written: {problem}\n{remedy(problem, folder)}") from problem
                record.end("failed", repr(problem))
                raise
            except BaseException as problem:
                interrupted = Interrupted if isinstance(problem, KeyboardInterrupt) else problem
                status = getattr(interrupted, "status", EncoreError.status)
                record.end_if_possible(status, str(problem) or type(problem).__name__)
                raise
            finally:
                stop_logging()

    def finished_before(self) -> bool:
        """Whether the folder holds this run's result; it is then `result`."""
        if self.before is None or self.before.status != "finished":
            return False
        self.result = self.before
        return True

    def begin(self) -> None:
        """Write what is about to run."""
        for debris in self.folder.rglob(".*.[0-9]*"):  # of a file that was being written when a process was killed
            debris.unlink()
        self.checkpoints.mkdir(exist_ok=True)
        write_text(self.folder / "config.yaml", yaml.safe_dump(self.cfg, sort_keys=False, allow_unicode=True))
        self.result.write()
        start_logging(self.folder / "train.log")

    def clear(self) -> None:
        """Remove what an attempt before has left: the run begins anew."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in (LOCK, "config.yaml", "result.json", "train.log"):
                path.unlink()
        self.checkpoints.mkdir()

    def finish(self, **outcome: Any) -> Result:
        """Record what the run gave, and that it is whole."""
        self.update(status="finished", **outcome)
        return self.result

    def end(self, status: str, error: str) -> None:
        """Record that the run did not finish, and why; what is finished stays so."""
        if self.result.status == "finished":
            return
        log.debug("%s: %s", status, error)
        self.update(status=status, error=error)

    def end_if_possible(self, status: str, error: str) -> None:
        """The same on a disk that may have no room for it."""
        try:
            self.end(status, error)
        except OSError as problem:
            log.warning("result.json still says running: %s", problem)

    def update(self, **changes: Any) -> None:
        """Write the result with some values changed."""
        seconds = round(self.seconds_before + time.monotonic() - self.began, 3)
        self.result = Result(**{**vars(self.result), "seconds": seconds, **changes})
        if self.result.status != "finished":  # of the two it is the one to be there
            self.result.write()
        if self.manifest is not None:
            self.manifest.end(self.result)
        if self.result.status == "finished":
            self.result.write()

    def discard(self) -> None:
        """Take the folder away, and the experiment's too if it is then empty."""
        stop_logging()
        shutil.rmtree(self.folder)
        if not any(self.folder.parent.iterdir()):
            self.folder.parent.rmdir()

    def shorter(self) -> Result | None:
        """The longest finished run that this one would only go on from: the same but for fewer epochs."""
        if self.result.lineage is None or self.cfg["fresh"]:
            return None
        relatives = [
            held
            for folder in self.folder.parent.iterdir()
            if folder != self.folder and (held := readable(folder)) is not None
            if held.status == "finished" and held.lineage == self.result.lineage and not held.stopped_early
            if held.epochs < self.cfg["trainer"]["max_epochs"] and (folder / "checkpoints" / "last.ckpt").is_file()
        ]
        return max(relatives, key=lambda held: held.epochs, default=None)


def run_name(cfg: dict) -> str:
    """What a run is called: its data, model and optimiser."""
    return f"{cfg['data']['name']}-{cfg['model']['name']}-{cfg['optim']['name']}"


def folder_of(cfg: dict, mark: str) -> Path:
    """The folder of a run; with `fresh`, the next free one beside it, or one that `fresh` began and did not finish."""
    folder = Path(cfg["runs_dir"]) / run_name(cfg) / f"seed{cfg['seed']}-{mark[:SHOWN]}"
    if not cfg["fresh"]:
        return folder
    beside = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([folder], beside) if not path.exists() or left_unfinished(path))


def left_unfinished(folder: Path) -> bool:
    """Whether a run was begun with `fresh` in a folder, is not finished, and is not running."""
    result = readable(folder)
    if result is None or result.status == "finished":
        return False
    try:
        if not yaml.safe_load((folder / "config.yaml").read_text())["fresh"]:
            return False
        with held(folder):
            return True
    except (OSError, EncoreError, yaml.YAMLError, KeyError, TypeError):
        return False
