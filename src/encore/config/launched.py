"""Who started this process as one of several: torchrun, SLURM's srun, or nobody; found without importing torch."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from encore.errors import ConfigError

FIRST_PORT = 15000  # of SLURM's jobs, as Lightning counts


@dataclass(frozen=True)
class Place:
    """A process among those of a run.

    Attributes:
        rank: its number, from 0.
        ranks: how many processes there are.
        local_rank: its number on its node, from 0.
        local_ranks: how many processes its node has.
        node: the number of the machine, from 0.
        nodes: how many machines there are.
        address: of the store through which the processes find each other.
        port: of the store.
        attempt: how often torchrun has started the processes again.
        by: who started them.
    """

    rank: int
    ranks: int
    local_rank: int
    local_ranks: int
    node: int
    nodes: int
    address: str
    port: int
    attempt: int = 0
    by: str = "Encore"


def launched(variables: Mapping[str, str] = os.environ) -> Place | None:
    """This process's place, if torchrun (or whatever sets the same variables) or srun started several.

    Raises:
        ConfigError: the variables do not fit together.
    """
    try:
        place = by_torchrun(variables) or by_srun(variables)
    except ValueError as problem:
        raise ConfigError(f"the variables of torchrun or srun cannot be read: {problem}") from problem
    if place is None or place.ranks == 1:
        return None
    if place.local_ranks * place.nodes != place.ranks:
        raise ConfigError(
            f"{place.by} started {place.ranks} processes on {place.nodes} machines, of which this one has "
            f"{place.local_ranks}: each machine has to have as many"
        )
    return place


def by_torchrun(variables: Mapping[str, str]) -> Place | None:
    """What torch's own convention says: RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, and torchrun's LOCAL_RANK."""
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= variables.keys():
        return None
    rank, ranks = int(variables["RANK"]), int(variables["WORLD_SIZE"])
    local_ranks = int(variables.get("LOCAL_WORLD_SIZE", 1))
    return Place(
        rank=rank,
        ranks=ranks,
        local_rank=int(variables.get("LOCAL_RANK", rank % local_ranks)),
        local_ranks=local_ranks,
        node=int(variables.get("GROUP_RANK", rank // local_ranks)),
        nodes=int(variables.get("GROUP_WORLD_SIZE", ranks // local_ranks)),
        address=variables["MASTER_ADDR"],
        port=int(variables["MASTER_PORT"]),
        attempt=int(variables.get("TORCHELASTIC_RESTART_COUNT", 0)),
        by="torchrun" if "TORCHELASTIC_RUN_ID" in variables else "WORLD_SIZE says that something",
    )


def by_srun(variables: Mapping[str, str]) -> Place | None:
    """What srun sets for each task of a step; a job's script alone has no step of several tasks."""
    ranks = int(variables.get("SLURM_STEP_NUM_TASKS", 1))
    if ranks == 1:
        return None
    nodes = int(variables.get("SLURM_STEP_NUM_NODES") or variables.get("SLURM_NNODES") or 1)
    job, step = variables.get("SLURM_JOB_ID", "0"), variables.get("SLURM_STEP_ID", "0")
    number = int(job) + int(step) if step.isdecimal() else int(job)
    hosts = variables.get("SLURM_STEP_NODELIST") or variables.get("SLURM_NODELIST", "127.0.0.1")
    return Place(
        rank=int(variables["SLURM_PROCID"]),
        ranks=ranks,
        local_rank=int(variables["SLURM_LOCALID"]),
        local_ranks=ranks // nodes,
        node=int(variables["SLURM_NODEID"]),
        nodes=nodes,
        address=variables.get("MASTER_ADDR") or first_host(hosts),
        port=int(variables.get("MASTER_PORT") or FIRST_PORT + number % 10_000),
        attempt=int(variables.get("SLURM_RESTART_COUNT", 0)),
        by="srun",
    )


def first_host(hosts: str) -> str:
    """The first machine of SLURM's short form: `gpu[05-07,12],cpu1` begins with gpu05."""
    return re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", hosts).partition(",")[0].partition(" ")[0]


def so_many(ranks: int) -> str:
    """A number of ranks in words."""
    return f"{ranks} rank{'s' * (ranks != 1)}"


def ranks_started(otherwise: int) -> int:
    """How many processes torchrun or srun started; another number if neither did."""
    place = launched()
    return otherwise if place is None else place.ranks


def fit_to_launch(cfg: dict) -> None:
    """Let a config say how many ranks there are, wherever they run: that alone decides the run's bits.

    Raises:
        ConfigError: it asks for others than were started, or for machines on which nobody starts any.
    """
    trainer, place = cfg["trainer"], launched()
    devices, nodes = trainer.get("devices", 1), trainer.pop("num_nodes", 1)
    asked = nodes * (len(devices) if isinstance(devices, list) else int(devices))
    if place is None:
        if nodes > 1:
            raise ConfigError(
                f"trainer.num_nodes={nodes}: Encore starts processes on this machine only. torchrun or srun starts "
                "them on several (docs/distributed.md)"
            )
        return
    if asked == 1:
        raise ConfigError(
            f"{place.by} started {place.ranks} processes, and the trainer has one: trainer=ddp trains on them together"
        )
    if asked != place.ranks:
        raise ConfigError(
            f"trainer.devices={devices}"
            + (f" and trainer.num_nodes={nodes}" if nodes > 1 else "")
            + f" ask for {asked} processes, and {place.by} started {place.ranks}: leave these settings out"
        )
    trainer["devices"] = place.ranks
