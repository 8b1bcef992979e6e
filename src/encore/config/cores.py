"""How many threads a run has when nobody says so: as many as there are cores for this process."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from encore.config.launched import launched

CGROUPS = Path("/sys/fs/cgroup")
MINE = Path("/proc/self/cgroup")


def available_cores() -> int:
    """The threads that torch will use: OMP_NUM_THREADS, else the cores that this process may use.

    Of several processes that torchrun or srun started, those of all of them together. torchrun sets OMP_NUM_THREADS=1
    unless told otherwise, which says nothing.
    """
    wanted, place = os.environ.get("OMP_NUM_THREADS", ""), launched()
    told = int(wanted) if wanted.isdecimal() else 0
    if place is None:
        return told or usable_cores()
    if told > 1:
        return told * place.ranks
    of_task = os.environ.get("SLURM_CPUS_PER_TASK", "") if place.by == "srun" else ""
    return int(of_task) * place.ranks if of_task.isdecimal() else usable_cores() * place.nodes


def usable_cores() -> int:
    """The cores that this process may run on, or those whose time its container has, if these are fewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([cores, *(max(1, math.ceil(quota)) for quota in quotas())])


def quotas() -> Iterator[float]:
    """The processor time that each control group around this process has, in cores; none where it is not limited."""
    with suppress(OSError):
        for line in MINE.read_text(encoding="utf-8", errors="replace").splitlines():
            _, controllers, name = line.split(":", 2)
            if not controllers:
                yield from of_version_2(name)
            elif "cpu" in controllers.split(","):
                yield from of_version_1(controllers, name)


def of_version_2(name: str) -> Iterator[float]:
    """What cpu.max says: a quota and a period in microseconds, or `max`."""
    for folder in around(CGROUPS, name):
        yield from share(folder / "cpu.max", folder / "cpu.max")


def of_version_1(controllers: str, name: str) -> Iterator[float]:
    """The same in two files, of a hierarchy that is called by all its controllers or by one of them."""
    for folder in around(CGROUPS / controllers, name) + around(CGROUPS / "cpu", name):
        yield from share(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")


def around(root: Path, name: str) -> list[Path]:
    """A group's folder and those around it; within a container its name may be that on the host, and the root is it."""
    parts = PurePosixPath(name.lstrip("/")).parts
    return [root.joinpath(*parts[:length]) for length in range(len(parts), -1, -1) if ".." not in parts[:length]]


def share(quota: Path, period: Path) -> Iterator[float]:
    """A quota's part of its period; -1 and `max` are none."""
    with suppress(OSError, ValueError, IndexError):
        allowed = int(quota.read_text(encoding="ascii").split()[0])
        length = int(period.read_text(encoding="ascii").split()[-1])
        if allowed > 0 and length > 0:
            yield allowed / length
