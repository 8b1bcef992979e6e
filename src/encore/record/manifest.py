"""manifest.json: all that a run is a function of, and all that came of it, in a form that can be compared."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from encore import fingerprint
from encore.data.files import files
from encore.data.module import DataModule
from encore.errors import InputError
from encore.record.checkpoint_files import digest, digests
from encore.record.environment import differences, environment
from encore.record.files import read_json, sha256, write_json
from encore.record.result import Result
from encore.record.source import source
from encore.record.start import Start

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SCHEMA = 1
FILE = "manifest.json"


class Manifest:
    """A run's manifest, written at its start, and again at its end."""

    def __init__(self, folder: Path, content: dict[str, Any]) -> None:
        self.folder, self.content = folder, content

    @classmethod
    def begin(cls, folder: Path, result: Result, cfg: dict, data: DataModule, trainer: pl.Trainer) -> "Manifest":
        """Say what is about to run."""
        essential = fingerprint.essential(cfg)
        sources = fingerprint.package_files() | fingerprint.source_files(essential)
        content = {
            "schema": SCHEMA,
            "status": "running",
            "fingerprint": result.fingerprint,
            "arguments": sys.argv[1:] if Path(sys.argv[0]).name == "train.py" else None,
            "config": cfg,
            "config_sha256": fingerprint.hash_of(essential),
            "code": {"digests": fingerprint.code(essential), **source(sources.values())},
            "environment": environment(with_gpus=trainer.strategy.root_device.type == "cuda"),
            "precision": str(trainer.precision),
            "device": trainer.strategy.root_device.type,
            "world_size": trainer.world_size,
            "seeds": {"seed": cfg["seed"], "data.split_seed": cfg["data"]["split_seed"]},
            "data": {
                "files": {
                    name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
                    for name, path in files(cfg["data"], cfg["data_dir"]).items()
                },
                "sizes": data.sizes,
                "split_sha256": digest(vars(data.split)),
                "examples_sha256": examples(data),
            },
            "attempts": [],
            "started": result.started,
        }
        return cls(folder, content)

    def attempt(self, started: str, start: Start | None) -> None:
        """Note when the run is begun, or where it is gone on with, and why; write it down."""
        note: dict[str, Any] = {"started": started}
        if start is not None:
            note |= {"reason": start.reason, "epoch": start.epoch, "step": start.step}
            if (held := readable(self.folder)) is not None:
                # What the run began with stays; where it goes on elsewhere, that is told.
                note["differences"] = differences(held["environment"], self.content["environment"])
                self.content = {**held, "status": "running"}
        self.content["attempts"] = [*self.content["attempts"], note]
        write_json(self.folder / FILE, self.content)

    def outcome(self, weights: dict[str, Tensor], order_sha256: str, batches: int) -> None:
        """Keep the digests of what training gave: each tensor of the last weights, and the order of the batches.

        Args:
            weights: the last weights.
            order_sha256: of the order of all epochs.
            batches: in a whole epoch.
        """
        self.content["batches_per_epoch"] = batches
        self.content["weights"] = {name: digest({name: tensor}) for name, tensor in sorted(weights.items())}
        self.content["order_sha256"] = order_sha256

    def end(self, result: Result) -> None:
        """Say how it ended."""
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        *before, last = self.content["attempts"]
        self.content |= {
            "status": result.status,
            "attempts": [*before, {**last, "ended": ended, "status": result.status, "error": result.error}],
            "checkpoints": digests(self.folder / "checkpoints"),
            "metrics": {name: value.hex() for name, value in result.metrics.items()},
            "weights_sha256": result.weights_sha256,
            "losses_sha256": result.losses_sha256,
            "epochs": result.epochs,
            "steps": result.steps,
            "ended": ended,
            "seconds": result.seconds,
            "peak_memory_bytes": peak_memory(),
        }
        write_json(self.folder / FILE, self.content)


def examples(data: DataModule) -> str | None:
    """The digest of all inputs and targets as they were read; None where they are not all in memory."""
    sources = {"train": data.source, "test": data.test_source}
    held = {split: source for split, source in sources.items() if source is not None}  # a closed test set is not read
    tensors = {
        f"{split} {part}": getattr(source, part, None)
        for split, source in held.items()
        for part in ("inputs", "targets")
    }
    whole = {name: tensor for name, tensor in tensors.items() if isinstance(tensor, Tensor)}
    return digest(whole) if len(whole) == len(tensors) else None


def read(folder: Path) -> dict[str, Any]:
    """A run's manifest.

    Raises:
        InputError: there is none, it cannot be read, or it is of another kind.
    """
    content = read_json(folder / FILE)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(f"{folder / FILE} is no manifest of schema {SCHEMA}")
    return content


def readable(folder: Path) -> dict[str, Any] | None:
    """A run's manifest, or None where it has none."""
    try:
        return read(folder)
    except InputError:
        return None


def peak_memory() -> dict[str, int]:
    """The most memory that this process has used, in bytes: of the machine, and of the GPU where there is one."""
    most = {}
    if resource is not None:
        unit = 1 if sys.platform == "darwin" else 1024
        most["host"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if torch.cuda.is_available():
        most["cuda"] = torch.cuda.max_memory_allocated()
    return most
