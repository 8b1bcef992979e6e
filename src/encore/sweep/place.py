"""Where a sweep keeps its report and study, and the messages of its runs to the process that started it."""

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, ListConfig, OmegaConf

# Settings that do not change a sweep's identity: where runs go, and how many trials a search has.
ASIDE = re.compile(r"\+*hydra\.sweeper\.trials=|(?!\+*hydra\.sweeper\.)\+*hydra[./]")


@dataclass(frozen=True)
class Place:
    """A sweep's folders.

    Attributes:
        folder: the same for the same sweep, even if several processes work on it.
        exchange: shared by one process and the runs it starts, wherever they run; absolute.
    """

    folder: Path
    exchange: Path


@dataclass(frozen=True)
class Setup:
    """What Hydra gives to a sweep.

    Attributes:
        config: from the command line, without the varying settings.
        loader: composes the configs of runs.
        launcher: runs them.
        place: the sweep's folders.
    """

    config: DictConfig
    loader: ConfigLoader
    launcher: Launcher
    place: Place


def place_of(config: DictConfig) -> Place:
    """A sweep's folders below `hydra.sweep.dir`, named after its file, if it has one, and a hash of its overrides."""
    hydra = config.hydra
    words = sorted(
        word for word in [*typed(hydra.overrides.task), *typed(hydra.overrides.hydra)] if not ASIDE.match(word)
    )
    mark = hashlib.sha256("\n".join(words).encode()).hexdigest()[:8]
    folder = Path(hydra.sweep.dir) / f"{hydra.runtime.choices.get('sweep') or 'sweep'}-{mark}"
    began = time.strftime("%Y-%m-%d_%H-%M-%S")
    return Place(folder, folder.absolute() / "processes" / f"{began}-{os.getpid()}")


def typed(overrides: ListConfig) -> list[str]:
    """The words of the command line as they were typed: an interpolation in one is for the config of a run."""
    words: Any = OmegaConf.to_container(overrides, resolve=False)
    return words
