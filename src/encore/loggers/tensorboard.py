"""The TensorBoard logger."""

import logging
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from encore.errors import InputError
from encore.fast import checksums
from encore.files import make_durable, writing, yaml_of
from encore.loggers.graph import graph
from encore.loggers.showing import Showing

log = logging.getLogger("encore")
checksums.compute_by_library()

EVENTS = "events.out.tfevents.*"
# The first card would be the number of the epoch.
RENAMED = {"epoch": "progress/epoch"}
FIRST = re.compile(r"(?<=tfevents\.)\d+")


class TensorBoard(Showing, TensorBoardLogger):
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
        return str(self.folder)

    def save(self) -> None:
        """Nothing: the config has its own file."""

    @property
    def writer(self) -> SummaryWriter:
        """The writer of events."""
        opened = self._experiment is not None
        writer: SummaryWriter = self.experiment
        if not opened:
            Quiet.begin(writer)
        return writer

    @rank_zero_only
    def describe(self, cfg: dict, net: nn.Module, example: Tensor | None, metrics: list[str]) -> None:
        """Show the config, the net's graph, and one chart per metric with training and validation.

        Args:
            cfg: the run's config.
            net: the net; it is run once, in evaluation mode.
            example: inputs of a batch, [n, *shape]; None: the graph is not shown.
            metrics: names without their split, such as `loss`.
        """
        lines = {name: [f"train/{name}", f"val/{name}"] for name in metrics}
        monitored = str((cfg.get("monitor") or {}).get("metric")).removeprefix("val/")
        if (cfg.get("callbacks") or {}).get("gap") and monitored in lines:
            lines[monitored].append("gap/would_stop")
        charts = {name: ["Multiline", tags] for name, tags in lines.items()}
        self.writer.add_custom_scalars({"Training against validation": charts})
        shown = yaml_of(cfg).encode(errors="backslashreplace").decode()  # a path's bytes need not be UTF-8
        self.writer.add_text("config", "\n".join(f"    {line}" for line in shown.splitlines()))
        if example is None:
            log.info("TensorBoard shows no graph: there is no example input (set example_input_array)")
            return
        try:
            event = Event(graph_def=graph(net, example).SerializeToString())
        except Exception as problem:  # anything that an unrecordable net may raise
            reason = str(problem).partition("\n")[0] or type(problem).__name__
            log.info("TensorBoard shows no graph: the net cannot be recorded: %s", reason)
        else:
            self.writer._get_file_writer().add_event(event)

    @rank_zero_only
    def conclude(self, settings: dict[str, Any], metrics: dict[str, float]) -> None:
        """Show the settings under HPARAMS; the metrics themselves are already logged.

        Of several runs' lists of columns TensorBoard would take the first alone. Without any it has the columns of all
        runs, and those that differ come first.
        """
        _, start, end = hparams(settings, metrics)
        for summary in (start, end):
            self.writer._get_file_writer().add_summary(summary)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float | Tensor], step: int | None = None) -> None:
        """Add values to their step's event; one event costs little more than one value."""
        if step != self.step:
            self.flush()
        self.step, self.time = step, time.time()
        self.pending |= {name: float(value) for name, value in metrics.items()}

    def flush(self) -> None:
        """Write the pending event."""
        if not self.pending:
            return
        with writing(self.folder):
            values = [
                Summary.Value(tag=RENAMED.get(name, name), simple_value=value) for name, value in self.pending.items()
            ]
            self.writer._get_file_writer().add_summary(Summary(value=values), self.step, self.time)
        self.pending = {}

    def finalize(self, status: str) -> None:
        """Write what is pending to disk; testing may follow training."""
        if self.pending or self._experiment is not None:
            self.put_on_disk()

    def close(self) -> None:
        if self.pending or self._experiment is not None:
            self.flush()
            with writing(self.folder):
                self.writer.close()

    def put_on_disk(self) -> None:
        """Write all that is known."""
        self.flush()
        with writing(self.folder):
            self.writer.flush()

    @rank_zero_only
    def position(self) -> dict[str, Any]:
        """The sizes of the folder's event files by number, to continue from, once they are on disk."""
        self.put_on_disk()
        files = numbered(self.folder)
        for file in files.values():
            make_durable(file)
        return {"sizes": {number: file.stat().st_size for number, file in files.items()}}

    def restore(self, position: dict[str, Any], source: Path) -> None:
        """Restore the events that a folder had at a position.

        Raises:
            InputError: they no longer exist.
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
            with writing(file):
                if source == self.folder:
                    held[number].replace(file)
                else:
                    shutil.copyfile(held[number], file)
                with file.open("r+b") as stream:
                    stream.truncate(size)


class Quiet:
    """Writes a writer's events in its thread; what fails there is raised where the run next writes or flushes.

    TensorBoard's own raises it in the thread, too, whose traceback would be printed.
    """

    def __init__(self, worker: Any) -> None:
        self.worker, self.plain = worker, worker._record_writer

    @classmethod
    def begin(cls, writer: SummaryWriter) -> None:
        """Stand before what a writer's thread writes with."""
        worker = writer._get_file_writer().event_writer._async_writer._worker
        worker._record_writer = cls(worker)

    def write(self, event: bytes) -> None:
        """Write an event, unless one before could not be."""
        self.attempt(lambda: self.plain.write(event))

    def flush(self) -> None:
        """Write what is kept back."""
        self.attempt(self.plain.flush)

    def attempt(self, deed: Callable[[], None]) -> None:
        """Keep the first error, for the run to raise: this is called in the writer's thread."""
        if self.worker.exception is None:
            try:
                deed()
            except OSError as problem:
                self.worker.exception = problem


def numbered(folder: Path) -> dict[int, Path]:
    """A run's event files by the number at the end of their names, in order."""
    files = {int(file.name.rpartition(".")[2]): file for file in folder.glob(EVENTS) if file.suffix[1:].isdecimal()}
    return dict(sorted(files.items()))
