"""A run's folder: who holds it, what ran in it, and what came out."""

import errno
import itertools
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from encore.config.naming import run_name, settings_name
from encore.errors import Busy, CannotWrite, ConfigError, EncoreError, InputError, Interrupted
from encore.files import OF_WRITING, NotWritten, make_folder, read_json, read_whole, write_text, writing, yaml_of
from encore.provenance.fingerprint import Identity, identity, lineage
from encore.provenance.trust import LARGEST
from encore.provenance.undeclared import Loaded, now, told
from encore.record import seal
from encore.record.lock import check_held, held, remedy
from encore.record.own_files import check_own, remove_debris, remove_own
from encore.record.reading import RESULT, read_manifest
from encore.record.result import Result, readable
from encore.terminal import start_logging, stop_logging

if TYPE_CHECKING:
    from encore.record.manifest import Manifest

log = logging.getLogger("encore")

SHOWN = 10  # characters of the fingerprint in a folder's name
UNUSABLE = (errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE)  # what the system refuses for the sake of a setting


class Record:
    """A run folder that this process holds."""

    def __init__(self, folder: Path, cfg: dict, known: Identity) -> None:
        self.folder, self.cfg, self.code, self.differences = folder, cfg, known.code, known.differences
        self.checkpoints = folder / "checkpoints"
        self.began, self.seconds_before = time.monotonic(), 0.0
        self.stepped = False  # before that there is nothing to lose
        self.before = readable(folder)  # left by a previous attempt
        self.manifest: Manifest | None = None
        self.result = Result(
            folder=folder,
            status="running",
            fingerprint=known.mark,
            lineage=lineage(cfg, known),
            seed=cfg["seed"],
            name=run_name(cfg),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    @classmethod
    @contextmanager
    def open(cls, cfg: dict, known: Identity | None = None) -> Iterator["Record"]:
        """Hold the run's folder, created if need be, until the end; record how the run ended.

        A run that never took a step, because its data or settings turned out unusable, leaves no folder.

        Args:
            cfg: the run's config.
            known: its identity, where that has just been found.

        Raises:
            CannotWrite: the folder cannot be made, or is full.
            Busy: another process holds it.
            InputError: it holds another run, or something else than files where the run has its own.
        """
        Loaded.begin()
        known = known or identity(cfg)
        folder = folder_of(cfg, known)
        check_name(cfg["runs_dir"])
        record = cls(folder, cfg, known)
        if record.finished_before():  # nothing is written, so no lock is needed
            yield record
            return
        existed = folder.exists()
        with held(folder):
            check_own(folder)
            record.before = readable(folder)  # it may have finished in the meantime
            if record.finished_before():
                yield record
                return
            record.reopen()
            try:
                if record.outdated():
                    record.clear()
                record.begin()
                yield record
            except (ConfigError, InputError, Busy) as problem:
                if not existed and not record.stepped:
                    record.discard()
                else:
                    record.end_if_possible("failed", str(problem))
                raise
            except OSError as problem:
                if is_of_writing(problem, folder):
                    record.end_if_possible("failed", str(problem))
                    why = reason(problem, folder)
                    raise CannotWrite(f"{folder} cannot be written: {why}\n{remedy(why, folder)}") from problem
                if problem.errno in UNUSABLE and not existed and not record.stepped:
                    record.discard()
                else:
                    record.end_if_possible("failed", repr(problem))
                raise
            except BaseException as problem:
                interrupted = Interrupted if isinstance(problem, KeyboardInterrupt) else problem
                status = getattr(interrupted, "status", EncoreError.status)
                record.end_if_possible(status, str(problem) or type(problem).__name__)
                raise
            finally:
                stop_logging()

    def finished_before(self) -> bool:
        """Whether the folder holds this run's result, from code that its fingerprint covers; it then becomes `result`.

        Raises:
            InputError: it holds another run, or an altered one.
        """
        if self.before is None:
            return False
        if self.before.fingerprint != self.result.fingerprint:
            raise InputError(f"{self.folder} holds a different run than its name says: move it away, or fresh=true")
        if self.before.status != "finished" or self.before.undeclared:
            return False
        # This version seals what it finishes, and a run of another version has another fingerprint.
        if seal.read(self.folder) is None:
            raise seal.Altered(f"{self.folder} says that it is finished, and has no {seal.FILE}: it was altered")
        self.result = self.before
        return True

    def reopen(self) -> None:
        """Say that the run is not over before anything of it is changed: a seal is for runs that are."""
        if (self.folder / seal.FILE).exists():
            self.result.write()
            for name in (seal.FILE, seal.SIGNATURE):
                (self.folder / name).unlink(missing_ok=True)

    def outdated(self) -> bool:
        """Whether a previous attempt's files may come from code that has changed outside the fingerprint."""
        if self.before is None:
            return False
        if self.before.undeclared:
            return True
        try:
            seen = read_manifest(self.folder)["code"].get("undeclared", {})
        except InputError:
            return False  # killed before it was written: there is no checkpoint either
        return any(digest != now(name) for name, digest in seen.items())

    def begin(self) -> None:
        """Write what is about to run."""
        with writing(self.folder):
            remove_debris(self.folder)
        make_folder(self.checkpoints)
        write_text(self.folder / "config.yaml", yaml_of(self.cfg))
        self.result.write()
        start_logging(self.folder / "train.log")

    def clear(self) -> None:
        """Remove what a previous attempt left: the run starts over. Files that are not its own stay."""
        with writing(self.folder):
            remove_own(self.folder)
        make_folder(self.checkpoints)

    def finish(self, say: Callable[[Result], None] | None = None, **outcome: Any) -> Result:
        """Record the run's results and that it finished.

        Args:
            say: tells of the result; the last that train.log holds.
            outcome: what the run gave.
        """
        undeclared = Loaded.undeclared(self.code.files.values())
        if undeclared:
            log.warning("%s", told(undeclared))
        self.update(say, status="finished", undeclared=undeclared, **outcome)
        return self.result

    def end(self, status: str, error: str) -> None:
        """Record that the run did not finish, and why; a finished run stays finished."""
        if self.result.status == "finished":
            return
        log.debug("%s: %s", status, error)
        self.update(status=status, error=error)

    def end_if_possible(self, status: str, error: str) -> None:
        """As `end`, on a disk that may be full."""
        try:
            self.end(status, error)
        except OSError as problem:
            log.warning("how it ended is not recorded: %s", problem)

    def update(self, say: Callable[[Result], None] | None = None, **changes: Any) -> None:
        """Write the result with some values changed; of a run that is over it is the last to be written."""
        check_held(self.folder)
        seconds = round(self.seconds_before + time.monotonic() - self.began, 3)
        self.result = Result(**{**vars(self.result), "seconds": seconds, **changes})
        over = self.result.status in seal.OVER
        if not over:  # of the two it is the one to be there
            self.result.write()
        if self.manifest is not None:
            self.manifest.end(self.result)
        if say is not None:
            say(self.result)
        if over:
            stop_logging()
            self.result.write()

    def discard(self) -> None:
        """Remove the folder, and those of its settings and kind if they are then empty."""
        stop_logging()
        shutil.rmtree(self.folder)
        runs_dir, above = folder_of_kind(self.cfg).parent, self.folder.parent
        while above != runs_dir and not any(above.iterdir()):
            above.rmdir()
            above = above.parent

    def shorter(self) -> Result | None:
        """The longest finished run that this one would extend: identical except for fewer epochs."""
        if self.result.lineage is None or self.cfg["fresh"]:
            return None
        kind = folder_of_kind(self.cfg)
        relatives = [
            held
            for folder in (each.parent for depth in ("*", "*/*") for each in kind.glob(f"{depth}/{RESULT}"))
            if folder != self.folder and (held := unaltered(folder)) is not None
            if held.status == "finished" and held.lineage == self.result.lineage and not held.stopped_early
            if not held.undeclared
            if held.epochs < self.cfg["trainer"]["max_epochs"] and (folder / "checkpoints" / "last.ckpt").is_file()
        ]
        longest_first = sorted(relatives, key=lambda held: -held.epochs)
        return next((held for held in longest_first if unaltered(held.folder, *seal.bound(held.folder))), None)


def unaltered(folder: Path, *names: str) -> Result | None:
    """The result of a folder that holds one, with these files as the run left them; None of any other folder."""
    try:
        found = readable(folder)
        seal.check(folder, *names)
    except seal.Altered as problem:
        if names:
            log.warning("a shorter run is not continued, since %s", problem)
        return None
    return found


def is_of_writing(problem: OSError, folder: Path) -> bool:
    """Whether a run failed to write, which a library may have done for it, and not to read, say, its data."""
    if isinstance(problem, NotWritten) or problem.errno in OF_WRITING:
        return True
    return isinstance(problem.filename, str) and Path(problem.filename).is_relative_to(folder)


def reason(problem: OSError, folder: Path) -> OSError:
    """Why a folder cannot be written: that it is gone, if it is."""
    try:
        check_held(folder)
    except NotWritten as gone:
        return gone
    return problem


def check_name(runs_dir: str) -> None:
    """Raise ConfigError for a name that the system's locale cannot read: TensorBoard and others take UTF-8 alone."""
    try:
        runs_dir.encode()
    except UnicodeEncodeError as problem:
        raise ConfigError(
            f"runs_dir: {runs_dir!r} is no UTF-8, or the locale here is not: "
            "PYTHONUTF8=1 in front of the command reads names as UTF-8"
        ) from problem


def folder_of(cfg: dict, known: Identity) -> Path:
    """The folder of a run: where it lies already, whatever it was named after there, or else one of its settings.

    With `fresh`, the next free one beside that, or one that `fresh` started and did not finish.
    """
    folder = place_of(cfg, known)
    if not cfg["fresh"]:
        return folder
    beside = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([folder], beside) if not path.exists() or left_unfinished(path))


def place_of(cfg: dict, known: Identity) -> Path:
    """Where a run lies, a finished one first; below its settings if it is nowhere yet.

    Settings are named by how they differ from defaults, which can change while the run stays the same.
    """
    top, name = folder_of_kind(cfg), f"seed{cfg['seed']}-{known.mark[:SHOWN]}"
    named = top / settings_name(cfg, known.differences.changed) / name
    if has_finished(named):
        return named
    there = [folder for folder in (named, top / name, *top.glob(f"*/{escape(name)}")) if holds_run(folder)]
    return next(filter(has_finished, there), there[0] if there else named)


def folder_of_kind(cfg: dict) -> Path:
    """The folder in which all runs of the same data, model and optimiser lie."""
    return Path(cfg["runs_dir"]) / run_name(cfg)


def holds_run(folder: Path) -> bool:
    return (folder / RESULT).exists() or (folder / seal.FILE).exists()


def has_finished(folder: Path) -> bool:
    """Whether a folder says so; what it says is checked where it is used."""
    try:
        return bool(read_json(folder / RESULT)["status"] == "finished")
    except (InputError, KeyError, TypeError):
        return False


def left_unfinished(folder: Path) -> bool:
    """Whether a folder holds a run that was started with `fresh`, is not finished, and is not running."""
    try:
        result = readable(folder)
        if result is None or result.status == "finished":
            return False
        if not yaml.safe_load(read_whole(folder / "config.yaml", LARGEST))["fresh"]:
            return False
        with held(folder):
            return True
    except (OSError, EncoreError, yaml.YAMLError, KeyError, TypeError):
        return False
