"""What a logger may offer beyond Lightning's `Logger`, and what happens without each part.

Any class with Lightning's `log_metrics`, `log_hyperparams`, `name` and `version` is a logger. Everything below is
optional and found by name; nothing needs to be inherited from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn


@dataclass(frozen=True)
class Identity:
    """The run that a logger belongs to."""

    name: str  # data, model and optimiser
    fingerprint: str
    folder: Path
    seed: int
    settings: str  # those that differ from the defaults, such as lr0.003-w64; empty if none do
    runs_dir: Path
    key: str  # 32 hexadecimal digits, unique to this folder: kept when the run is resumed, new with `fresh=true`


class Identified(Protocol):
    """Without it, the logger knows the run only from its hyper-parameters, under `encore`."""

    def identify(self, run: Identity) -> None:
        """Called before anything is logged, in every attempt at a run."""


class InFolder(Protocol):
    """Without it, the logger writes where its own settings say."""

    def start(self, folder: Path) -> None:
        """Write into a run's folder from now on."""


class Describing(Protocol):
    """Without it, the config is passed to `log_hyperparams`, as nested dicts."""

    def describe(self, cfg: dict, net: nn.Module, example: Tensor, metrics: list[str]) -> None:
        """Show what is about to run: once, not again after a resume."""


class Concluding(Protocol):
    """Without it, nothing is lost: each of these metrics is also logged on its own."""

    def conclude(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        """Show the final metrics for these settings, once the run has been tested."""


class Rewinding(Protocol):
    """Without it, a resumed run skips the steps already delivered, which costs a line on disk per call.

    A logger that can rewind to a checkpoint receives every later step again, and holds each once.
    """

    beginning: Any  # its position before the first step

    def position(self) -> Any:
        """The current position as plain values, once everything up to it is on disk."""

    def restore(self, position: Any, source: Path) -> None:
        """Go back to a position of the run in a folder; raise InputError if that is impossible."""


class Showing(Protocol):
    """What views show (`encore.callbacks.views`). Each method may be left out: that is then not shown there.

    Loggers of others that can show pictures get `show_image` from `encore.loggers.services`.
    """

    def show_image(self, tag: str, picture: np.ndarray, step: int) -> None:
        """Show a picture, uint8 [height, width, 3]."""

    def show_scalars(self, values: dict[str, float], step: int) -> None:
        """Show numbers that are no results and differ each time, such as speeds: `log_metrics` does not get them."""

    def show_histogram(self, tag: str, values: np.ndarray, step: int) -> None:
        """Show how finite values, [n], are distributed."""

    def show_precision_recall(self, tag: str, belongs: np.ndarray, probabilities: np.ndarray, step: int) -> None:
        """Show precision against recall: whether examples belong to a class, bool [n], and how likely that is, [n]."""

    def show_text(self, tag: str, markdown: str, step: int) -> None:
        """Show a text."""

    def show_points(self, tag: str, points: np.ndarray, labels: list[Sequence[str]], pictures: Any) -> None:
        """Show points, [n, dimensions], with a heading and a row of labels each, and pictures, uint8 [n, side, side, 3]
        or None; a later call replaces them.
        """


class Closing(Protocol):
    """Without it, the logger learns of the end only through Lightning's `finalize`."""

    def close(self) -> None:
        """Release files and connections, however the run ended."""
