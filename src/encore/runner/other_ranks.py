"""A run that continues one on another number of ranks: `continue_from`.

The order of the examples and the size of a batch do not depend on the number of ranks, so an epoch goes on with the
examples that it has not seen. Bits do depend on it: the run is one of its own, whose fingerprint has the checkpoint.
"""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from encore.callbacks.metric_states import regroup_metrics
from encore.config.accelerator import device_count
from encore.config.facts import leaves, show
from encore.config.launched import so_many
from encore.errors import InputError
from encore.files import sha256
from encore.provenance.fingerprint import computing, fingerprint
from encore.record.checkpoint_files import LAST, digests
from encore.record.reading import read_manifest
from encore.record.record import Record, folder_of_kind
from encore.record.result import Result, readable

OF_RANKS = ("devices", "strategy")  # settings of the trainer
STOPPED = ("running", "preempted", "failed")
SHOWN = 5  # differences in a message


def with_ranks_of(cfg: dict, other: dict) -> dict:
    """A config with the ranks of another, and continuing what that continues."""
    trainer = {name: value for name, value in cfg["trainer"].items() if name not in OF_RANKS}
    trainer |= {name: other["trainer"][name] for name in OF_RANKS if name in other["trainer"]}
    return {**cfg, "trainer": trainer, "threads": other["threads"], "continue_from": other.get("continue_from")}


def check(record: Record, folder: Path) -> None:
    """Check that a run can be continued as another, which differs from it in the number of ranks alone.

    Raises:
        InputError: it cannot.
    """
    said, cfg = f"continue_from={folder}", record.cfg
    run, manifest = Result.read(folder), read_manifest(folder)
    if run.status not in STOPPED:
        raise InputError(f"{said} is {run.status}: there is nothing to continue")
    before = manifest["config"]
    if (ranks := device_count(cfg)) == device_count(before):
        raise InputError(f"{said} has {so_many(ranks)}, too: the same without continue_from continues it, bit for bit")
    if "fsdp" in (strategies := {str(one["trainer"].get("strategy")) for one in (cfg, before)}) and len(strategies) > 1:
        raise InputError(f"{said}: a checkpoint of trainer=fsdp has other states than one of trainer=ddp")
    alike = with_ranks_of(cfg, before)
    if fingerprint(alike) != run.fingerprint:
        raise InputError(
            f"{said} differs in more than the number of ranks: {', '.join(reasons(record, alike, manifest))}"
        )


def reasons(record: Record, alike: dict, manifest: dict[str, Any]) -> list[str]:
    """In what a run differs from the one that it would continue, ranks aside."""
    here, there = (dict(leaves(computing(cfg))) for cfg in (alike, manifest["config"]))
    found = [
        f"{path}={show(there.get(path))} there, {show(here.get(path))} here"
        for path in dict.fromkeys([*there, *here])
        if there.get(path) != here.get(path)
    ]
    for what, mine in (("digests", record.code.digests), ("packages", record.code.packages)):
        theirs = manifest["code"][what]
        found += [f"{name} has changed" for name in {**theirs, **mine} if theirs.get(name) != mine.get(name)]
    shown = found or ["the files that it reads, or the variables of the environment"]
    return shown[:SHOWN] + [f"and {len(shown) - SHOWN} more"] * (len(shown) > SHOWN)


def described(checkpoints: Path) -> dict[str, Any]:
    """The run whose checkpoints these are, for the manifest of the one that continues it."""
    folder, last = checkpoints.parent, digests(checkpoints).get(LAST, {})
    manifest = read_manifest(folder)
    return {
        "run": folder.name,
        "fingerprint": manifest["fingerprint"],
        "ranks": manifest["world_size"],
        "epoch": last.get("epoch"),
        "step": last.get("step"),
        "sha256": sha256(checkpoints / LAST),
    }


def regroup(checkpoint: dict[str, Any], task: pl.LightningModule, ranks: int) -> None:
    """Divide what a checkpoint holds by rank anew: what metrics have counted of an epoch.

    Raises:
        InputError: a metric cannot add up what several ranks have counted.
    """
    regroup_metrics(checkpoint, task, ranks)
    if hasattr(task, "regroup"):
        task.regroup(checkpoint, ranks)  # type: ignore[operator]


def stopped_on_other_ranks(record: Record) -> str | None:
    """Words about a run that was stopped, and is this one but for the number of ranks; None if there is none."""
    kind, seed = folder_of_kind(record.cfg), f"seed{record.cfg['seed']}-*"
    found = (file for way in ("", "*/") for file in kind.glob(f"{way}{seed}/checkpoints/{LAST}"))
    for folder in sorted(file.parents[1] for file in found):
        try:
            if folder == record.folder or (run := readable(folder)) is None or run.status not in STOPPED:
                continue
            manifest = read_manifest(folder)
            before = manifest["config"]
            same = computing(with_ranks_of(record.cfg, before)) == computing(before)
            same = same and device_count(record.cfg) != device_count(before)
        except (InputError, KeyError, TypeError, AttributeError):
            continue
        if same:
            return (
                f"{folder} was stopped on {so_many(manifest['world_size'])}, and another number is another run: "
                f"continue_from={folder.name} continues it, not bit for bit"
            )
    return None
