"""What TensorBoard shows of a run."""

import logging
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from encore.errors import InputError
from encore.record.files import make_durable
from encore.record.graph import graph

log = logging.getLogger("encore")

EVENTS = "events.out.tfevents.*"
FIRST = re.compile(r"(?<=tfevents\.)\d+")


class TensorBoard(TensorBoardLogger):
    """Lightning's TensorBoard logger, writing straight into a run's folder."""

    beginning: ClassVar[dict[str, Any]] = {"sizes": {}}  # its position before the first step

    def __init__(self) -> None:
        super().__init__(save_dir=".", name="", version="")
        self.folder = Path()
        self.pending: dict[str, float] = {}
        self.step: int | None = None
        self.time = 0.0

    def start(self, folder: Path) -> None:
        """Write into a run's folder from now on."""
        self.folder = folder
        self._kwargs["filename_suffix"] = f".{max(numbered(folder), default=-1) + 1}"

    @property
    def log_dir(self) -> str:
        """The run's folder."""
        return str(self.folder)

    def save(self) -> None:
        """Nothing but events: the config has a file of its own."""

    @property
    def writer(self) -> SummaryWriter:
        """The writer of events."""
        return self.experiment

    @rank_zero_only
    def describe(self, cfg: dict, net: nn.Module, example: Tensor, metrics: list[str]) -> None:
        """Show the config, the net's graph, and training against validation on one chart a metric.

        Args:
            cfg: the run's config.
            net: the net; it is run once, as it evaluates.
            example: inputs of a batch, [n, *shape].
            metrics: names without their split, such as `loss`.
        """
        charts = {name: ["Multiline", [f"train/{name}", f"val/{name}"]] for name in metrics}
        self.writer.add_custom_scalars({"Training against validation": charts})
        config = yaml.safe_dump(cfg, sort_keys=False, allow_unicode=True)
        self.writer.add_text("config", "\n".join(f"    {line}" for line in config.splitlines()))
        try:
            event = Event(graph_def=graph(net, example).SerializeToString())
        except Exception as problem:  # whatever a net does that cannot be recorded
            reason = str(problem).partition("\n")[0] or type(problem).__name__
            log.info("TensorBoard shows no graph, the net cannot be recorded: %s", reason)
        else:
            self.writer._get_file_writer().add_event(event)

    @rank_zero_only
    def conclude(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        """Show the settings and what they gave under HPARAMS; the metrics are logged already."""
        for summary in hparams(settings, metrics):
            self.writer._get_file_writer().add_summary(summary)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float | Tensor], step: int | None = None) -> None:
        """Add values to their step's event: one event costs little more than one value."""
        if step != self.step:
            self.flush()
        self.step, self.time = step, time.time()
        self.pending |= {name: float(value) for name, value in metrics.items()}

    def flush(self) -> None:
        """Write the pending event."""
        if self.pending:
            values = [Summary.Value(tag=name, simple_value=value) for name, value in self.pending.items()]
            self.writer._get_file_writer().add_summary(Summary(value=values), self.step, self.time)
            self.pending = {}

    def finalize(self, status: str) -> None:
        """Put on disk what is known; the run's test may follow its training."""
        if self.pending or self._experiment is not None:
            self.flush()
            self.writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self.pending or self._experiment is not None:
            self.flush()
            self.writer.close()

    @rank_zero_only
    def position(self) -> dict[str, Any]:
        """The sizes of the folder's event files by their number, to continue from; they are on disk."""
        self.flush()
        self.writer.flush()
        files = numbered(self.folder)
        for file in files.values():
            make_durable(file)
        return {"sizes": {number: file.stat().st_size for number, file in files.items()}}

    def restore(self, position: dict[str, Any], source: Path) -> None:
        """Bring back the events that a folder had at a position.

        Raises:
            InputError: they are no longer there.
        """
        sizes: dict[int, int] = position["sizes"]
        held = numbered(source)
        for number, size in sizes.items():
            if number not in held or held[number].stat().st_size < size:
                raise InputError(f"an events file of {source} is missing or truncated: it had {size:,} bytes")
        for number, file in numbered(self.folder).items():
            if number not in sizes:
                file.unlink()
        for number, size in sizes.items():
            # TensorBoard reads files by their names, which begin with the time: also where the clock was set back,
            # those that are there come before the one that follows.
            file = self.folder / FIRST.sub(f"{number:010d}", held[number].name, count=1)
            if source == self.folder:
                held[number].replace(file)
            else:
                shutil.copyfile(held[number], file)
            with file.open("r+b") as stream:
                stream.truncate(size)


def numbered(folder: Path) -> dict[int, Path]:
    """A run's event files by the number that each has at its end, in their order."""
    files = {int(file.name.rpartition(".")[2]): file for file in folder.glob(EVENTS) if file.suffix[1:].isdecimal()}
    return dict(sorted(files.items()))
