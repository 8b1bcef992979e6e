"""The figures of a record's files, beside the losses, weights and metrics of its manifest, and the same ones again."""

import csv
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from encore.analysis.figures import Figure, Found, figure, relative, said_once
from encore.config.facts import leaves
from encore.files import digest
from encore.provenance.fingerprint import computing
from encore.provenance.former_names import present
from encore.record import seal
from encore.record.checkpoint_files import BEST, LAST, load
from encore.record.logged_values import log_of
from encore.record.result import Result

# What no two runs share: when, how long, where.
OWN = ("folder", "started", "seconds")
# Digests that follow from what is compared by itself, and says more where it differs.
DIGESTS = ("weights_sha256", "losses_sha256")
OF_MANIFEST = ("config_sha256", "precision", "device", "world_size", "seeds", "batches_per_epoch", "status")
CODE = ("digests", "undeclared")
# Columns that measure the machine.
MACHINE = re.compile(r"DeviceStatsMonitor|(^|[/_. ])(time|seconds|duration|memory|throughput|per_second)($|[/_. ])")
STATE = ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step", "best")
NOT_COMPARED = (
    "manifest.json: arguments, attempts, times, memory, the commit and the environment, whose differences are named",
    "checkpoints/previous.ckpt, train.log and profiles: their digests alone",
)


def counted(found: list[Figure]) -> str:
    """What was compared in files, beside the losses, tensors and metrics."""
    counts = Counter(each.name.partition(" ")[0].partition("/")[0] for each in found)
    shown = {
        "metrics.csv": "logged values", "events": "points in TensorBoard", "checkpoints": "values in checkpoints",
        "tables": "tables",
    }  # fmt: skip
    return ", ".join(f"{counts[name]:,} {words}" for name, words in shown.items() if counts[name]) or "no files"


def of_manifest(before: dict, after: dict) -> Found:
    """What ran: the config, setting by setting, the code, and where."""
    first, second = (dict(leaves(computing(present(run["config"])))) for run in (before, after))
    settings = (figure(f"config {path}", first.get(path), second.get(path)) for path in {**first, **second})
    yield from said_once(settings, "settings")
    for name in OF_MANIFEST:
        if name in before or "seal" in before:
            yield figure(f"manifest.json {name}", before.get(name), after.get(name))
    for name in CODE:
        yield figure(f"manifest.json code.{name}", before["code"].get(name, {}), after["code"].get(name, {}))
    for name in ("sizes", "files"):
        yield figure(f"manifest.json data.{name}", before["data"].get(name), after["data"].get(name))
    yield figure("manifest.json fingerprint", before["fingerprint"], mark_of(before, after))


def mark_of(before: dict, after: dict) -> str:
    """The fingerprint that the recorded run has to have: with other packages than it had, it has another one here."""
    one_code = before["code"].get("packages") == after["code"].get("packages")
    return after["fingerprint"] if one_code else before["fingerprint"]


def of_result(before: dict, after: dict, recorded: Path, again: Path) -> Found:
    """Everything in result.json but its own times."""
    first, second = (dict(vars(Result.read(folder))) for folder in (recorded, again))
    mark = second["fingerprint"] = mark_of(before, after)
    if mark != after["fingerprint"]:
        second["lineage"] = first["lineage"]
    for name in (name for name in first if name not in OWN):
        one, other, what = first[name], second[name], f"result.json {name}"
        if name in DIGESTS:
            follows = one in (other, before[name])
            words = "" if follows else f"{what} is not the manifest's"
            yield Figure(what, one, other, None if one == other else 0.0 if follows else math.inf, words)
        elif isinstance(one, dict):
            pairs = {key: (one.get(key), other.get(key)) for key in {**one, **other}}
            yield from said_once((figure(f"{what}.{key}", *pair) for key, pair in pairs.items()), f"of {name}")
        else:
            yield figure(what, one, other)


def of_files(recorded: Path, again: Path) -> Found:
    """What is in the other files."""
    yield from said_once(of_log(recorded, again), "logged values")
    yield from said_once(of_tables(recorded, again), "tables")
    yield from said_once(of_events(recorded, again), "points")
    for name in (BEST, LAST):
        yield from said_once(of_checkpoint(Path("checkpoints") / name, recorded, again), "values of it")


def of_log(recorded: Path, again: Path) -> Found:
    """Every cell of metrics.csv that has a value."""
    first, second = cells(recorded), cells(again)
    for place, value in first.items():
        if not MACHINE.search(place[-1]):
            epoch, step, _, name = place
            yield figure(f"metrics.csv {name} at epoch {epoch}, step {step}", value, second.get(place))


def cells(folder: Path) -> dict[tuple[str, str, int, str], float | str]:
    """The values of metrics.csv by epoch, step, the how many-th row of these, and column."""
    found: dict[tuple[str, str, int, str], float | str] = {}
    if (held := log_of(folder)) is None:
        return found
    rows: Counter[tuple[str, str]] = Counter()
    for epoch, step, values in held.rows:
        named = zip(held.names, values, strict=False)  # a short row has fewer
        found |= {(epoch, step, rows[epoch, step], name): number(value) for name, value in named if value}
        rows[epoch, step] += 1
    return found


def number(text: str) -> float | str:
    """A cell's number, or its text."""
    try:
        return float(text)
    except ValueError:
        return text


def of_tables(recorded: Path, again: Path) -> Found:
    """The results that are no single number, cell by cell."""
    for file in sorted(recorded.glob("tables/*.csv")):
        other = again / "tables" / file.name
        if not other.is_file():
            yield Figure(f"tables/{file.name}", "there", None, math.inf, f"tables/{file.name} is not given by the run")
            continue
        first, second = (
            [[number(cell) for cell in row] for row in csv.reader(each.read_text(encoding="utf-8").splitlines())]
            for each in (file, other)
        )
        if first == second:
            yield Figure(f"tables/{file.name}", first, second)
            continue
        try:
            size = relative(np.array(first, float), np.array(second, float))
        except ValueError:
            size = math.inf
        yield Figure(f"tables/{file.name}", first, second, size, f"tables/{file.name} differs")


def of_events(recorded: Path, again: Path) -> Found:
    """What TensorBoard shows as curves."""
    first, second = scalars(recorded), scalars(again)
    for place, value in first.items():
        if not MACHINE.search(place[0]):
            tag, step, _ = place
            yield figure(f"events {tag} at step {step}", value, second.get(place))


def scalars(folder: Path) -> dict[tuple[str, int, int], float]:
    """The points of a run's event files by tag, step, and the how many-th of these."""
    if not any(folder.glob("events.out.tfevents.*")):
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    held = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    found: dict[tuple[str, int, int], float] = {}
    points: Counter[tuple[str, int]] = Counter()
    for tag in held.Tags()["scalars"]:
        for point in held.Scalars(tag):
            found[tag, point.step, points[tag, point.step]] = point.value
            points[tag, point.step] += 1
    return found


def of_checkpoint(name: Path, recorded: Path, again: Path) -> Found:
    """Weights, and what training goes on from.

    Raises:
        InputError: the recorded one is missing or damaged.
    """
    if not (again / name).is_file():
        if (recorded / name).exists():
            yield Figure(str(name), "there", None, math.inf, f"{name} is not given by the run")
        return
    if name.as_posix() in seal.freed(recorded):  # its weights' digests are in the manifest
        return
    first, second = (flat({key: load(run / name).get(key) for key in STATE}) for run in (recorded, again))
    for path in {**first, **second}:
        yield of_value(f"{name} {path}", first.get(path), second.get(path))


def of_value(name: str, one: Any, other: Any) -> Figure:
    """A tensor or a plain value of a checkpoint."""
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return figure(name, *("a tensor" if isinstance(each, Tensor) else each for each in (one, other)))
    digests = digest({"": one}), digest({"": other})
    if digests[0] == digests[1]:
        return Figure(name, *digests)
    size = relative(one.double().numpy(), other.double().numpy()) or math.inf
    return Figure(name, *digests, size, f"{name} differs")


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Nested values by their dotted paths."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    if not isinstance(value, dict | list | tuple):
        return {path: value}
    return {
        name: leaf for key, item in items for name, leaf in flat(item, f"{path}.{key}" if path else str(key)).items()
    }
