"""A few steps of a run alone and together with copies of itself: which is faster, and how many fit into memory."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encore.errors import EncoreError
from encore.fast.step import bare_step
from encore.population.fleet import Fleet
from encore.population.member import Member
from encore.population.population import MOST, Companion, Population, one_thread
from encore.population.programs import Programs
from encore.population.refusals import against_parts
from encore.runner.as_before import as_before
from encore.runner.parts import assemble
from encore.runner.quiet import quiet
from encore.runner.training import fit
from encore.stopping import Stop

SECONDS = 0.1
SHARE = 0.5  # of the memory that is free, which a population may take
FEW = 3  # runs fewer than these are not worth a try
LEAST = 1.5  # times as fast that steps must be to be taken together: of batches that differ they gain less than of one


@dataclass(frozen=True)
class Tried:
    """What was found.

    Attributes:
        members: how many train together; None: each alone.
        said: a line about it.
    """

    members: int | None
    said: str


def tried(cfg: dict, runs: int, most: int | None, programs: Programs) -> Tried:
    """Try some steps.

    Args:
        cfg: of the first of the runs.
        runs: how many there are.
        most: how many may train together, whichever is faster; None: as many as fit, if that is faster.
        programs: where to keep those of the passes, for the runs.

    Raises:
        EncoreError: the run cannot begin.
    """
    if most is None and runs < FEW:
        return Tried(None, f"{runs} runs one after the other: too few for what trying costs")
    alone = {**cfg, "logger": {}, "callbacks": {}, "trainer": {**cfg["trainer"], "limit_val_batches": 0}}
    with tempfile.TemporaryDirectory() as scratch, as_before(), quiet():
        parts = assemble(alone, Path(scratch), Stop(), chooses=False)
        trial = Trial(runs, most, programs)
        parts.trainer.callbacks.append(trial)  # type: ignore[attr-defined]
        fit(alone, parts, None)
    if trial.reason is not None:
        return Tried(None, f"{runs} runs one after the other: {trial.reason}")
    times = f"a step of {trial.size} together takes {trial.ratio:.2g} times as long as one alone"
    if most is None and trial.ratio * LEAST > trial.size:
        return Tried(None, f"{runs} runs one after the other: {times}")
    parts_of = "" if trial.size >= runs else f", {trial.size} at once"
    return Tried(trial.size, f"{runs} runs together{parts_of}: {times}")


class Trial(Companion):
    """Measures in the place of training.

    Attributes:
        reason: why the run cannot train with others.
        size: how many members fit into memory, in parts of equal size.
        ratio: what a step of so many takes, over one alone.
    """

    def __init__(self, runs: int, most: int | None, programs: Programs) -> None:
        super().__init__(Population(1))
        self.runs, self.most, self.programs = runs, most, programs
        self.reason: str | None = None
        self.size, self.ratio = 0, 0.0

    def run(self) -> None:
        loop = self.trainer.fit_loop
        del vars(loop)["run"]
        loop.setup_data()
        self.reason = against_parts(self.trainer, self.task)
        if self.reason is None:
            loop.reset()
            loop.on_run_start()
            try:
                self.measure()
            except EncoreError:
                raise
            except (RuntimeError, ValueError, TypeError, LookupError) as problem:  # of a net that vmap cannot take
                self.reason = f"{type(self.task).__name__} or its net cannot be batched: {first_line(problem)}"

    def measure(self) -> None:
        member: Any = Member(self.trainer, self.task)  # type: ignore[arg-type]
        member.begin_epoch()
        batch = next(member.batches)
        room = free_memory(self.trainer.strategy.root_device)
        most = max(1, int(SHARE * room / self.bytes_of_a_member(member, batch)))
        most = min(most, MOST if self.most is None else self.most)
        self.size = -(-self.runs // -(-self.runs // most))
        fleet = Fleet(self.size, [member], self.programs)
        alone, together, draws = seconds(
            self.trainer.strategy.root_device,
            lambda: self.step_alone(member, batch),
            lambda: step_together(fleet, member, batch),
            lambda: fleet.prepared({member: batch}, 0),
        )
        self.ratio = (together + (self.size - 1) * draws) / alone

    def step_alone(self, member: Member, batch: Any) -> None:
        member.optimizer.zero_grad()
        loss: Tensor = member.task.training_step(batch, 0)["loss"]
        loss.backward()
        bare_step(member.optimizer)()

    def bytes_of_a_member(self, member: Member, batch: Any) -> int:
        """What a member takes: its examples, its weights six times, for gradients, states and copies, and its steps."""
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            member.task.attempt(batch)
        weights = sum(each.numel() * each.element_size() for each in member.task.parameters())
        examples = sum(each.nbytes for each in (member.data.source.tensors() or {}).values())
        return int(examples + 6 * weights + 2 * sum(kept.values()) + 2**20)


def step_together(fleet: Fleet, member: Member, batch: Any) -> None:
    with one_thread():
        take_step(fleet, member, batch)


def take_step(fleet: Fleet, member: Member, batch: Any) -> None:
    batches, masks, noise = fleet.prepared({member: batch}, 0)
    fleet.gradients(fleet.batches.passes_of(batches, 0), masks, noise)
    fleet.clip()
    for slab, group in zip(fleet.slabs, member.optimizer.param_groups, strict=True):
        slab.step(0, fleet.rows, group, 1)


def seconds(device: torch.device, *deeds: Callable[[], object]) -> list[float]:
    """The least time that each of several things takes, in turns: other processes may be at work."""
    wait = partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None
    least = [float("inf")] * len(deeds)
    for deed in deeds:
        deed()
    wait()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until or float("inf") in least:
        for place, deed in enumerate(deeds):
            began = time.perf_counter()
            deed()
            wait()
            least[place] = min(least[place], time.perf_counter() - began)
    return least


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def first_line(problem: Exception) -> str:
    return (str(problem) or type(problem).__name__).splitlines()[0]
