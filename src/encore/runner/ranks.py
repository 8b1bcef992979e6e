"""The other processes of a run on several devices of one machine: each starts from the resolved config."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import yaml

from encore.config.accelerator import device_count
from encore.config.launched import Place
from encore.errors import EncoreError
from encore.record.record import Record
from encore.stopping import Stop, ignore_signals

if TYPE_CHECKING:
    from encore.runner.together import Group

HOME = "127.0.0.1"


class Ranks:
    """Start the ranks after the first, unless torchrun or srun did, and end with them.

    Args:
        cfg: the run's config.
        record: its folder.
        group: the ranks that torchrun or srun started.

    Attributes:
        group: the ranks that the run has; None: this process is alone.
    """

    def __init__(self, cfg: dict, record: Record, group: "Group | None" = None) -> None:
        self.cfg, self.record, self.group = cfg, record, group
        self.starts = group is None and device_count(cfg) > 1
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Ranks":
        if self.starts:
            from encore.runner.rendezvous import own_store
            from encore.runner.together import Group

            store = own_store(HOME)
            ranks = device_count(self.cfg)
            self.group = Group(Place(0, ranks, 0, ranks, 0, 1, HOME, store.port), store)
            self.group.ended_child, self.group.end_children = self.ended, self.kill
        if self.group is not None:
            self.group.last_words = lambda message: self.record.end_if_possible("failed", message)
        return self

    def start(self, start: Path | None) -> None:
        """Start the other ranks, at a checkpoint or from the beginning."""
        if self.group is None:
            return
        if self.starts:
            for rank in range(1, self.group.place.ranks):
                self.begin(rank, self.group.place)
            self.group.begin()
        self.group.tell("start", {"folder": str(self.record.folder.absolute()), "checkpoint": start and str(start)})

    def begin(self, rank: int, first: Place) -> None:
        """Start one rank."""
        order = {"cfg": self.cfg, "place": {**asdict(first), "rank": rank, "local_rank": rank}}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "encore.runner.ranks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": search_path()},
            preexec_fn=ignore_signals,
        )
        self.processes.append(process)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, which is noticed below
            process.stdin.write(yaml.safe_dump(order).encode())
            process.stdin.close()

    def ended(self) -> str | None:
        """Say which process has ended without a word, if one has."""
        for rank, process in enumerate(self.processes, 1):
            if (code := process.poll()) is not None and code != 0:
                how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
                return f"rank {rank} {how}; the same command continues the run"
        return None

    def kill(self) -> None:
        for process in self.processes:
            process.kill()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the other ranks, and say which of them failed if that is why this one does."""
        if self.group is None:
            return
        cause = self.group.cause(problem) if problem is not None else None
        if self.starts:
            if problem is None:
                self.group.tell("end", None)
            self.group.close(cause or problem)
            if problem is not None:
                self.kill()
            for process in self.processes:
                process.wait()
        if cause is not None:
            raise cause from problem


def search_path() -> str:
    """Where this process finds modules, including the user's own."""
    return os.pathsep.join(place or str(Path.cwd()) for place in sys.path)


def main() -> int:
    """Be one rank of those that Encore started; the first rank reports errors."""
    order = yaml.safe_load(sys.stdin)
    from encore.runner.follow import follow
    from encore.runner.rendezvous import store_of
    from encore.runner.together import Group

    try:
        with Stop(deaf=True) as stop:
            place = Place(**order["place"])
            group = Group(place, store_of(place))
            with group.ending():
                group.begin()
                follow(order["cfg"], group, stop)
    except EncoreError as problem:
        return problem.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
