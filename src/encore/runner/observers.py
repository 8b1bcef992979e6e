"""What watches a run from outside: reports, describes and records it, and changes no bit of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from encore.config.defaults import Differences
from encore.config.facts import MISSING, look_up, show
from encore.loggers.lifecycle import begin
from encore.record.inputs import keep_preparation
from encore.record.manifest import Manifest
from encore.record.record import Record
from encore.record.start import Start
from encore.runner import summary
from encore.runner.first_weights import FirstWeights
from encore.runner.metric_tables import write_tables
from encore.runner.other_ranks import described
from encore.runner.parts import Parts
from encore.runner.ranks import Ranks

# Settings with a column in HPARAMS in every run; the others have one where they differ from the defaults.
ALWAYS = (
    "data.name", "model.name", "optim.name", "optim.lr", "optim.weight_decay", "data.batch_size", "trainer.max_epochs",
    "seed",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What observers see: a run that is about to train, or has trained."""

    cfg: dict
    record: Record
    parts: Parts
    start: Start | None  # None: at its first step
    first: FirstWeights | None = None  # None: drawn


class Observer:
    """Notified of a run's stages, in this order; override the hooks you need."""

    def start(self, run: Run) -> None:
        """Everything is built, and the first step has not been taken."""

    def trained(self, run: Run) -> None:
        """The last step has been taken; the best weights have not been tested yet."""

    def finish(self, run: Run, outcome: dict[str, Any]) -> None:
        """The best weights have been tested; `outcome` is what result.json will hold."""


class OtherRanks(Observer):
    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks

    def start(self, run: Run) -> None:
        self.ranks.start(run.start.path if run.start else None)


class Header(Observer):
    """Prints in a few lines what is known of a run once its parts are built."""

    def start(self, run: Run) -> None:
        where = run.start.words if run.start else None
        summary.before(run.cfg, run.parts.data, run.parts.task, run.parts.trainer, where, run.first)


class Loggers(Observer):
    """Describes the run to loggers that can show more than numbers."""

    def start(self, run: Run) -> None:
        """A resumed run has been described already."""
        begin(run.parts.trainer.loggers, run.cfg)
        if run.start is None or run.start.longer or run.start.other:
            task, cfg = run.parts.task, run.cfg
            metrics = ["loss", *(cfg["task"].get("metrics") or {})]
            for logger in run.parts.trainer.loggers:
                if hasattr(logger, "describe"):
                    logger.describe(cfg, getattr(task, "net", task), example(run.parts), metrics)

    def finish(self, run: Run, outcome: dict[str, Any]) -> None:
        for logger in run.parts.trainer.loggers:
            if hasattr(logger, "conclude"):
                logger.conclude(columns(run.cfg, run.record.differences) | chosen(run.parts), outcome["metrics"])


class Manifests(Observer):
    """Writes manifest.json."""

    def start(self, run: Run) -> None:
        """What ran is known before it does."""
        record, parts = run.record, run.parts
        record.manifest = Manifest.begin(record.folder, record.result, run.cfg, record.code, parts.data, parts.trainer)
        if run.first is not None:
            record.manifest.content["init_from"] = run.first.described()
        if run.cfg.get("continue_from"):
            record.manifest.content["continues"] = described(Path(run.cfg["continue_from"]))
        record.manifest.attempt(record.result.started, run.start)

    def trained(self, run: Run) -> None:
        parts, manifest = run.parts, run.record.manifest
        assert manifest is not None
        order = getattr(parts.data, "order_sha256", None)
        manifest.outcome(parts.task.state_dict(), order, int(parts.trainer.num_training_batches))
        if made := chosen(parts):
            manifest.content["chosen"] = made


class Preparations(Observer):
    """Keeps what `data.prepare` learned, so that texts can be read without the training data."""

    def finish(self, run: Run, outcome: dict[str, Any]) -> None:
        if (preparation := getattr(run.parts.data, "preparation", None)) is not None:
            keep_preparation(preparation, run.record.folder)


class Tables(Observer):
    """Writes results that are not a single number."""

    def finish(self, run: Run, outcome: dict[str, Any]) -> None:
        write_tables(getattr(run.parts.task, "tables", {}), run.record.folder)


def observers(ranks: Ranks) -> list[Observer]:
    """Everything that watches a run, in the order in which it is notified."""
    return [OtherRanks(ranks), Header(), Loggers(), Manifests(), Preparations(), Tables()]


def example(parts: Parts) -> Any:
    """Inputs of a batch for the graph, in the task's precision; None if there are none."""
    dtype = next((weight.dtype for weight in parts.task.parameters()), torch.float32)
    inputs = getattr(parts.task, "example_input_array", None)
    if inputs is None and hasattr(parts.task, "net") and hasattr(parts.data, "example"):
        inputs, _ = parts.data.example(2)
    if not isinstance(inputs, torch.Tensor):
        return None
    return torch.zeros_like(inputs, dtype=dtype if inputs.is_floating_point() else None)


def chosen(parts: Parts) -> dict[str, Any]:
    """What callbacks chose, by the settings in whose place it is used."""
    made: dict[str, Any] = {}
    for callback in parts.trainer.callbacks:  # type: ignore[attr-defined]
        made |= getattr(callback, "chosen", {})
    return made


def columns(cfg: dict, found: Differences) -> dict[str, int | float | str]:
    """The settings by which runs are compared, by dotted path: a handful, the model's own, and all that differ.

    TensorBoard leaves a run without a value out of some of its pictures: the model's own settings are varied often.
    """
    always = {path: value for path in ALWAYS if (value := look_up(cfg, path)) is not MISSING}
    shown = {**always, **found.of_model, **found.changed}
    # TensorBoard has no type for other values.
    return {path: value if isinstance(value, int | float | str) else show(value) for path, value in shown.items()}
