"""What Encore's records cost: checkpoints, logs of losses and the manifest, as parts of a run's CPU time."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from typing import Any
from unittest import mock

import encore
from benchmarks.datasets import Place
from benchmarks.epochs import unseen
from benchmarks.figure import Figure
from encore.callbacks.checkpoints import Checkpoints
from encore.callbacks.losses import Losses
from encore.callbacks.position import Position
from encore.record.manifest import Manifest
from encore.runner import training

RUNS = 5
# What is timed, by the figure that it counts for.
PARTS: dict[str, list[tuple[Any, str]]] = {
    "fit": [(training, "fit")],
    "checkpoints": [(Checkpoints, "save"), (Checkpoints, "choose")],
    "steps": [
        (Losses, "add"),
        *((owner, hook) for owner in (Losses, Position) for hook in vars(owner) if hook.startswith("on_train_batch")),
    ],
    "manifest": [(Manifest, "begin"), (Manifest, "attempt"), (Manifest, "outcome"), (Manifest, "end")],
}


def checkpoint_share(place: Place) -> Figure:
    """Checkpoints' part of training, in percent."""
    return Figure.of([100 * spent["checkpoints"] / spent["fit"] for spent in runs(place)])


def record_step(place: Place) -> Figure:
    """Losses and positions, in µs a step."""
    return Figure.of([1e6 * spent["steps"] / spent["number of steps"] for spent in runs(place)])


def record_run(place: Place) -> Figure:
    """The manifest, in ms a run."""
    return Figure.of([1e3 * spent["manifest"] for spent in runs(place)])


@cache
def runs(place: Place) -> list[Counter[str]]:
    """The CPU seconds of each part, in every run."""
    return [run(place) for _ in range(RUNS)]


def run(place: Place) -> Counter[str]:
    """The CPU seconds of each part of a run."""
    spent: Counter[str] = Counter()
    with ExitStack() as patches:
        for part, places in PARTS.items():
            for owner, name in places:
                patches.enter_context(mock.patch.object(owner, name, timed(vars(owner)[name], part, spent)))
        patches.enter_context(unseen())
        result = encore.run([*place.settings, "threads=1", *place.overrides])
    spent["number of steps"] = result.steps
    return spent


def timed(function: Any, part: str, spent: Counter[str]) -> Any:
    """A function, or a class method, whose CPU seconds are added to a part's."""
    if isinstance(function, classmethod):
        return classmethod(timed(function.__func__, part, spent))
    plain: Callable[..., Any] = function

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        began = time.process_time()
        try:
            return plain(*args, **kwargs)
        finally:
            spent[part] += time.process_time() - began  # type: ignore[assignment]

    return wrapped
