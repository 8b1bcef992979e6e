"""Where a sweep keeps what is its own: its report and study, and what its runs say to the process that began it."""

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

# What makes no other sweep: where runs go, and how many trials a search has.
ASIDE = re.compile(r"\+*hydra\.sweeper\.trials=|(?!\+*hydra\.sweeper\.)\+*hydra[./]")


@dataclass(frozen=True)
class Place:
    """A sweep's folders.

    Attributes:
        folder: the same for the same sweep, also for several processes that work on it.
        exchange: of one process and the runs that it begins, wherever they run; absolute.
    """

    folder: Path
    exchange: Path


@dataclass(frozen=True)
class Setup:
    """What Hydra gives to a sweep.

    Attributes:
        config: of the command line, without what varies.
        loader: composes the configs of runs.
        launcher: runs them.
        place: the sweep's.
    """

    config: DictConfig
    loader: ConfigLoader
    launcher: Launcher
    place: Place


def place_of(config: DictConfig) -> Place:
    """A sweep's place below `hydra.sweep.dir`: named by its file, if it has one, and a hash of its overrides."""
    hydra = config.hydra
    words = sorted(word for word in [*hydra.overrides.task, *hydra.overrides.hydra] if not ASIDE.match(word))
    mark = hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]
    folder = Path(hydra.sweep.dir) / f"{hydra.runtime.choices.get('sweep') or 'sweep'}-{mark}"
    began = time.strftime("%Y-%m-%d_%H-%M-%S")
    return Place(folder, folder.absolute() / "processes" / f"{began}-{os.getpid()}")
