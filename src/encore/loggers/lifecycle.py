"""Building, opening and closing a run's loggers."""

import random
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from encore.config.build import build
from encore.config.naming import run_name, settings_name
from encore.config.packages import needs
from encore.errors import ConfigError, InputError
from encore.files import make_folder, read_json
from encore.loggers.contract import Identity
from encore.loggers.delivery import Delivery
from encore.loggers.journal import Journal
from encore.loggers.services import OTHER, service_for, service_of

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

OURS = "encore.loggers."  # ours rewind by themselves, and a disk that is full for them is full for the run
ATTRIBUTE = "_encore_delivery"


def build_loggers(cfg: dict, folder: Path) -> list[Logger]:
    """Build a run's loggers, each with the run's identity; none is opened yet.

    Raises:
        ConfigError: one cannot be built, or its package is not installed.
    """
    loggers = []
    for name, recipe in (cfg["logger"] or {}).items():
        if recipe:
            loggers.append(build_logger(name, recipe, cfg, folder))
    return loggers


def build_logger(name: str, recipe: dict, cfg: dict, folder: Path) -> Logger:
    what, target = f"logger.{name}", str(recipe.get("_target_"))
    if target.startswith(OURS):
        logger: Logger = build(recipe, what=what, nested=True)
    else:
        journal = Journal(folder / f"delivered-{name}.jsonl")
        run = identity(cfg, folder, journal)
        logger = build_foreign(recipe, what, run, journal)
        if hasattr(logger, "identify"):
            logger.identify(run)
        vars(logger)[ATTRIBUTE] = Delivery(logger, what, service_for(logger), run, journal)
    if hasattr(logger, "start"):
        logger.start(folder)
    return logger


def identity(cfg: dict, folder: Path, journal: Journal) -> Identity:
    """The run's identity; its key is the earlier attempt's, if there was one."""
    try:
        fingerprint = str(read_json(folder / "result.json")["fingerprint"])
    except InputError:
        fingerprint = ""  # a folder without a run
    return Identity(
        run_name(cfg), fingerprint, folder.resolve(), cfg["seed"], settings_name(cfg), Path(cfg["runs_dir"]).resolve(),
        journal.key or uuid.uuid4().hex,
    )  # fmt: skip


def build_foreign(recipe: dict, what: str, run: Identity, journal: Journal) -> Logger:
    """Build a third-party logger; run details that its recipe leaves out are filled in."""
    service = service_of(recipe["_target_"]) or OTHER
    if reason := service.against(recipe):
        raise ConfigError(f"{what}: {reason}")
    needs(service.package, what)
    given = service.given(run)
    if service.key_setting and (service.chosen or journal.key):
        given[service.key_setting] = run.key
    if service.local and not Path(recipe.get("save_dir", "")).is_absolute():
        given["save_dir"] = str(run.folder / recipe.get("save_dir", ""))
        recipe = {key: value for key, value in recipe.items() if key != "save_dir"}
    missing = {key: value for key, value in given.items() if key not in recipe}
    with alone_with(recipe.get("tracking_uri")), unseeded():
        logger = build(recipe, what=what, nested=True, **missing)
    if not isinstance(logger, Logger):
        raise ConfigError(f"{what}: {recipe['_target_']} is not a Lightning Logger")
    return logger


@contextmanager
def unseeded() -> Iterator[None]:
    """Let a service name its files at random: by the run's seed, each attempt would overwrite those of the last."""
    state = random.getstate()
    random.seed()
    try:
        yield
    finally:
        random.setstate(state)


@contextmanager
def alone_with(uri: Any) -> Iterator[None]:
    """Keep other processes on this machine from creating the same SQLite file at the same time."""
    prefix = "sqlite:///"
    if fcntl is None or not isinstance(uri, str) or not uri.startswith(prefix):
        yield
        return
    file = Path(uri.removeprefix(prefix).partition("?")[0])
    make_folder(file.parent)
    with file.with_name(f".{file.name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def deliveries(loggers: Sequence[Logger]) -> list[Delivery]:
    """The `Delivery` of each third-party logger."""
    return [vars(logger)[ATTRIBUTE] for logger in loggers if ATTRIBUTE in vars(logger)]


def begin(loggers: Sequence[Logger], cfg: dict) -> None:
    """Open the third-party loggers before the first step of every attempt, so that nothing is lost on failure.

    Raises:
        ConfigError: one cannot be opened.
    """
    for each in deliveries(loggers):
        with alone_with(cfg["logger"][each.what.partition(".")[2]].get("tracking_uri")):
            each.begin(cfg)


@contextmanager
def closing(loggers: Sequence[Logger]) -> Iterator[None]:
    """Close the loggers, however the run ends."""
    well = False
    try:
        yield
        well = True
    finally:
        foreign = deliveries(loggers)
        for each in foreign:
            each.close(well)
        for logger in loggers:
            if ATTRIBUTE not in vars(logger) and hasattr(logger, "close"):
                logger.close()
