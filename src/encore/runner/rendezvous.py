"""Where the ranks of a run find each other: torch's TCPStore; and what Lightning is told of them."""

import os
from datetime import timedelta
from functools import cache
from typing import Any

from pytorch_lightning.plugins.environments import LightningEnvironment
from torch import distributed

from encore.config.launched import Place
from encore.errors import EncoreError

MEET = 600.0  # seconds that ranks wait for each other at the start
AT_HOME = 60.0  # seconds that a rank waits for the process that started it


class RankLost(EncoreError):
    """A rank does not answer any more."""


@cache
def store_at(address: str, port: int, hosts: bool, seconds: float) -> Any:
    """The store of all runs of this process: the first rank is its host, unless torchrun is."""
    patience = timedelta(seconds=seconds)
    return distributed.TCPStore(address, port, is_master=hosts, wait_for_workers=False, timeout=patience)


def own_store(address: str) -> Any:
    """A store at any free port, of which this process is the host."""
    return distributed.TCPStore(address, 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=MEET))


def store_of(place: Place) -> Any:
    """The store through which the ranks of a place talk.

    Raises:
        RankLost: it does not answer.
    """
    by_agent = place.by == "torchrun" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    try:
        patience = AT_HOME if place.by == "Encore" else MEET
        return store_at(place.address, place.port, place.rank == 0 and not by_agent, patience)
    except (RuntimeError, ValueError) as problem:
        raise RankLost(
            f"rank {place.rank} cannot reach the first rank at {place.address}:{place.port}: "
            f"{str(problem).splitlines()[0]}"
        ) from problem


class Cluster(LightningEnvironment):
    """Tells Lightning which rank this is, and that all ranks have been started."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.set_global_rank(place.rank)
        self.set_world_size(place.ranks)

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def local_rank(self) -> int:
        return self.place.local_rank

    def node_rank(self) -> int:
        return self.place.node
