"""manifest.json: everything a run is a function of, and everything it produced, in a form that can be compared."""

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from encore.errors import InputError
from encore.files import digest, write_json
from encore.provenance import fingerprint
from encore.provenance.closure import Closure
from encore.provenance.environment import differences, environment
from encore.provenance.files_read import recorded
from encore.provenance.source_code import engine
from encore.provenance.undeclared import Loaded
from encore.record import seal
from encore.record.checkpoint_files import digests
from encore.record.inputs import described
from encore.record.reading import MANIFEST, SCHEMA, read_manifest
from encore.record.result import Result
from encore.record.start import Start

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

FILE = MANIFEST
SHOWN = 5  # differences on the terminal
log = logging.getLogger("encore")
TRAINS = ("train.py", "encore train")


class Manifest:
    """A run's manifest, written at its start, and again at its end."""

    def __init__(self, folder: Path, content: dict[str, Any]) -> None:
        self.folder, self.content = folder, content

    @classmethod
    def begin(
        cls, folder: Path, result: Result, cfg: dict, code: Closure, data: Any, trainer: pl.Trainer
    ) -> "Manifest":
        """Describe what is about to run."""
        essential = fingerprint.essential(cfg)
        content = {
            "schema": SCHEMA,
            "seal": seal.FILE,
            "status": "running",
            "fingerprint": result.fingerprint,
            "arguments": sys.argv[1:] if Path(sys.argv[0]).name in TRAINS else None,
            "config": cfg,
            "config_sha256": fingerprint.hash_of(essential),
            "code": {
                "digests": code.digests,
                "packages": code.packages,
                "undeclared": Loaded.undeclared(code.files.values()),
                **engine(code.files),
            },
            "environment": environment(with_gpus=trainer.strategy.root_device.type == "cuda"),
            "precision": str(trainer.precision),
            "device": trainer.strategy.root_device.type,
            "world_size": trainer.world_size,
            "seeds": {"seed": cfg["seed"], "data.split_seed": cfg["data"]["split_seed"]},
            "data": {
                "files": recorded(cfg),
                # null if a user's data module does not have it
                "sizes": getattr(data, "sizes", None),
                "split_sha256": digest(vars(data.split)) if hasattr(data, "split") else None,
                "examples_sha256": examples(data) if hasattr(data, "source") else None,
            },
            "inputs": described(data),
            "attempts": [],
            "started": result.started,
        }
        return cls(folder, content)

    def attempt(self, started: str, start: Start | None) -> None:
        """Note that the run starts, or where and why it resumes; write the file."""
        note: dict[str, Any] = {"started": started}
        if start is not None:
            note |= {"reason": start.reason, "epoch": start.epoch, "step": start.step}
            if (held := readable(self.folder)) is not None:
                # The first attempt's environment stays; a resumed run records the differences.
                on_cpu = self.content["device"] == "cpu"
                note["differences"] = differences(held["environment"], self.content["environment"], on_cpu)
                tell_of(note["differences"])
                self.content = {**held, "seal": seal.FILE, "status": "running"}
        self.content["attempts"] = [*self.content["attempts"], note]
        write_json(self.folder / FILE, self.content)

    def outcome(self, weights: dict[str, Tensor], order_sha256: str | None, batches: int) -> None:
        """Keep the digests of what training produced: each tensor of the last weights, and the order of the batches.

        Args:
            weights: the last weights.
            order_sha256: of the order of all epochs, if the data provide it.
            batches: in a whole epoch.
        """
        self.content["batches_per_epoch"] = batches
        self.content["weights"] = {name: digest({name: tensor}) for name, tensor in sorted(weights.items())}
        self.content["order_sha256"] = order_sha256

    def end(self, result: Result) -> None:
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        *before, last = self.content["attempts"]
        self.content |= {
            "status": result.status,
            "attempts": [*before, {**last, "ended": ended, "status": result.status, "error": result.error}],
            "checkpoints": digests(self.folder / "checkpoints"),
            "metrics": {name: value.hex() for name, value in result.metrics.items()},
            "code": {**self.content["code"], "undeclared": result.undeclared},
            "weights_sha256": result.weights_sha256,
            "losses_sha256": result.losses_sha256,
            "epochs": result.epochs,
            "steps": result.steps,
            "ended": ended,
            "seconds": result.seconds,
            "peak_memory_bytes": peak_memory(),
        }
        write_json(self.folder / FILE, self.content)


def tell_of(found: list[str]) -> None:
    """Say that a run goes on elsewhere than it began: its bits are then those of neither place."""
    if found:
        more = [f"and {len(found) - SHOWN} more, in {FILE}"] if len(found) > SHOWN else []
        log.warning("%s", "\n  ".join(["the environment is not that in which the run began:", *found[:SHOWN], *more]))


def examples(data: Any) -> str | None:
    """The digest of all arrays as they were read; None if they are not all in memory."""
    whole: dict[str, Tensor] = {}
    for split, held in (("train", data.source), ("test", data.test_source)):
        if held is not None:  # a closed test set is not read
            tensors = held.tensors()
            if tensors is None:
                return None
            whole |= {f"{split} {part}": tensor for part, tensor in tensors.items()}
    return digest(whole)


def readable(folder: Path) -> dict[str, Any] | None:
    """Read a run's manifest; None if it has none."""
    try:
        return read_manifest(folder)
    except InputError:
        return None


def peak_memory() -> dict[str, int]:
    """This process's peak memory in bytes: on the machine, and on the GPU if there is one."""
    most = {}
    if resource is not None:
        unit = 1 if sys.platform == "darwin" else 1024
        most["host"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if torch.cuda.is_available():
        most["cuda"] = torch.cuda.max_memory_allocated()
    return most
