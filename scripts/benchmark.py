"""What Encore's records cost: checkpoints, logs of losses and the manifest, as parts of a run's CPU time."""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import encore
from encore import training
from encore.command import end
from encore.record.checkpoints import Checkpoints
from encore.record.losses import Losses
from encore.record.manifest import Manifest
from encore.record.position import Position

RUNS = 5
# What is timed, by the figure that it counts for.
PARTS: dict[str, list[tuple[Any, str]]] = {
    "fit": [(training, "fit")],
    "checkpoints": [(Checkpoints, "save"), (Checkpoints, "choose")],
    "steps": [
        (Losses, "on_train_batch_start"),
        (Losses, "on_train_batch_end"),
        (Position, "on_train_batch_start"),
    ],
    "manifest": [(Manifest, "begin"), (Manifest, "attempt"), (Manifest, "outcome"), (Manifest, "end")],
}


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("overrides", nargs="*", help="settings of the run that is measured; the default run without")
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    wanted = parser.parse_args()
    samples = [measured(wanted.overrides) for _ in range(RUNS)]
    results = {}
    for key, unit in (("checkpoint_share", "%"), ("record_step", "µs"), ("record_run", "ms")):
        values = [sample[key] for sample in samples]
        results[key] = {"value": statistics.median(values), "samples": values}
        print(f"{key:18} {results[key]['value']:8.2f} {unit}")
    if wanted.json:
        machine = {"platform": platform.platform(), "processor": platform.processor(), "python": sys.version}
        wanted.json.write_text(json.dumps({"results": results, "machine": machine}, indent=2) + "\n")
    return 0


def measured(overrides: list[str]) -> dict[str, float]:
    """One run's figures: checkpoints' part of training in percent, records in µs a step and in ms a run."""
    spent: Counter[str] = Counter()
    before = [(owner, name, vars(owner)[name]) for places in PARTS.values() for owner, name in places]
    for part, places in PARTS.items():
        for owner, name in places:
            setattr(owner, name, timed(vars(owner)[name], part, spent))
    try:
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
            result = encore.run([f"runs_dir={folder}", "threads=1", *overrides])
    finally:
        for owner, name, plain in before:
            setattr(owner, name, plain)
    return {
        "checkpoint_share": 100 * spent["checkpoints"] / spent["fit"],
        "record_step": 1e6 * spent["steps"] / result.steps,
        "record_run": 1e3 * spent["manifest"],
    }


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


if __name__ == "__main__":
    end(main)
