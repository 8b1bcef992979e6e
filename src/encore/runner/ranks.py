"""The other processes of a run on several devices of one machine: each starts from the resolved config."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import yaml

from encore.config.accelerator import device_count
from encore.errors import ConfigError, EncoreError
from encore.stopping import Stop, ignore_signals


class Ranks:
    """Start the ranks after the first, and end them with the run."""

    def __init__(self, cfg: dict, folder: Path) -> None:
        self.cfg, self.folder = cfg, folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.before: dict[str, str | None] = {}

    def __enter__(self) -> "Ranks":
        """Tell Lightning through the environment that every rank has been started for it.

        Raises:
            ConfigError: something else, such as torchrun or srun, has already started several ranks.
        """
        self.count = device_count(self.cfg)
        started = {name: os.environ.get(name, "1") for name in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS")}
        for name, number in started.items():
            if number != "1":
                raise ConfigError(
                    f"{name}={number}: this is one of several processes that were started for the run. Encore starts "
                    "them itself: run it once, with trainer=ddp trainer.devices=…"
                )
        if self.count == 1:
            return self
        self.variables = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(free_port()),
            "NODE_RANK": "0",
            "LOCAL_RANK": "0",
            "WORLD_SIZE": str(self.count),
        }
        self.before = {name: os.environ.get(name) for name in self.variables}
        os.environ.update(self.variables)
        return self

    def start(self, start: Path | None) -> None:
        """Start the other ranks, at a checkpoint or from the beginning."""
        for rank in range(1, self.count):
            order = {"cfg": self.cfg, "folder": str(self.folder), "start": str(start) if start else None}
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "encore.runner.ranks"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **self.variables, "LOCAL_RANK": str(rank), "PYTHONPATH": search_path()},
                preexec_fn=ignore_signals,
            )
            assert process.stdin is not None
            process.stdin.write(yaml.safe_dump(order).encode())
            process.stdin.close()
            self.processes.append(process)

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the other ranks; if this one failed, they would wait for it forever."""
        for process in self.processes:
            if kind is not None:
                process.kill()
            process.wait()
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if self.count > 1:
            leave()


def search_path() -> str:
    """Where this process finds modules, including the user's own."""
    return os.pathsep.join(place or str(Path.cwd()) for place in sys.path)


def leave() -> None:
    """Leave the process group, so that this process can run again, alone or with others."""
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> int:
    """Be one rank: read the resolved config, fit and test; the first rank reports errors."""
    order = yaml.safe_load(sys.stdin)
    from encore.runner.training import work

    try:
        with Stop(deaf=True) as stop:
            work(order["cfg"], Path(order["folder"]), Path(order["start"]) if order["start"] else None, stop)
    except EncoreError as problem:
        return problem.code
    finally:
        leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
