"""Several runs that train together where they may; see `encore.population`."""

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from encore import terminal
from encore.errors import Busy, ConfigError, Diverged, EncoreError, InputError, Preempted
from encore.files import read_json, write_json
from encore.locks import locked
from encore.population.population import Population
from encore.population.programs import Programs
from encore.population.refusals import against_config
from encore.provenance.fingerprint import computing, hash_of, identity
from encore.record.record import folder_of
from encore.record.result import Result, readable
from encore.runner.execute import execute, result_of
from encore.runner.population_trial import Tried, tried

DECIDED = "population.json"
# Settings in which the members of a population may differ.
VALUES = (
    "seed", "optim.lr", "optim.weight_decay", "data.bootstrap", "data.fold", "data.split_seed", "data.weights.path",
    "task.init_seed", "task.init_skip", "model.weight", "model.bias", "model.start",
)  # fmt: skip


@dataclass
class Group:
    """Runs that may train together.

    Attributes:
        key: what they have in common; a number of a run that trains alone.
        configs: theirs, by their numbers.
        programs: of their passes, as `Network` takes them.
    """

    key: str
    configs: dict[int, dict] = field(default_factory=dict)
    programs: Programs = field(default_factory=dict)


class Together:
    """Trains runs together.

    Args:
        members: how many at most; `auto` measures whether that is faster, and how many fit into memory.
        decided: the file in which decisions are kept, so that the same command finds its runs again.
    """

    def __init__(self, members: int | str, decided: Path) -> None:
        self.members, self.decided = members, decided
        self.programs: dict[str, Programs] = {}

    def groups(self, configs: dict[int, dict | None]) -> list[Group]:
        """Checked configs, by what those have in common that may train together; one that is None stands alone."""
        found: dict[str, Group] = {}
        for number, cfg in configs.items():
            key = str(number) if cfg is None else hash_of(without(computing(cfg), VALUES))
            group = found.setdefault(key, Group(key, programs=self.programs.setdefault(key, {})))
            group.configs[number] = cfg or {}
        return list(found.values())

    def size(self, group: Group) -> int | None:
        """How many of a group train together; None: each alone, and it has been said why.

        What was decided for a group stays, also for those of it that are missing where the command is run again.
        """
        name = f"{group.key[:16]} {self.members}"
        known = self.known()
        if name not in known:
            if len(group.configs) < 2:
                return None
            try:
                found = self.decide(group)
            except EncoreError:  # the runs will say so themselves
                return None
            with locked(self.decided.with_suffix(".lock"), None):  # another process may have decided meanwhile
                known = {name: {"members": found.members, "said": found.said}} | self.known()
                write_json(self.decided, known)
        tqdm.write(known[name]["said"])
        size: int | None = known[name]["members"]
        return size

    def known(self) -> dict[str, Any]:
        """What has been decided."""
        try:
            found: dict[str, Any] = read_json(self.decided)
        except InputError:
            return {}
        return found

    def decide(self, group: Group) -> Tried:
        """How many of several runs train together."""
        cfg, runs = next(iter(group.configs.values())), len(group.configs)
        if reason := against_config(cfg):
            return Tried(None, f"{runs} runs one after the other: {reason}")
        most = None if self.members == "auto" else int(self.members)
        try:
            return tried(cfg, runs, most, group.programs)
        except ConfigError as problem:
            return Tried(None, f"{runs} runs one after the other: {problem}")

    def train(self, group: Group, size: int, start: Callable[[dict, int, Population], object]) -> Iterator[None]:
        """Train a group's runs as populations, and yield after each.

        Args:
            group: the runs.
            size: how many train together.
            start: runs one, given its config, its number and the population that it is of.
        """
        numbers = list(group.configs)
        for place in range(0, len(numbers), size):
            here = numbers[place : place + size]
            bar = tqdm(
                total=group.configs[here[0]]["trainer"]["max_epochs"], desc=f"{len(here)} runs", unit=" epochs",
                leave=False, dynamic_ncols=True, disable=not terminal.draws_bars(), delay=terminal.PATIENCE,
            )  # fmt: skip
            population = Population(size, group.programs, partial(show, bar))
            for number in here:
                cfg = {**group.configs[number], "population": size}
                population.starts.append(partial(start, cfg, number, population))
            with (
                bar,
                Path(os.devnull).open("w", encoding="utf-8") as nowhere,
                redirect_stdout(nowhere),
                terminal.bars(False),
            ):
                population.train()
            yield


def show(bar: "tqdm[None]", epochs: int) -> None:
    """Let a bar stand at a number of epochs."""
    bar.update(epochs - bar.n)


def results_of(
    cfgs: Sequence[dict], decided: Path, waits: bool = True, told: Callable[[], object] = lambda: None
) -> list[Result]:
    """What `result_of` gives of each config; those that have not begun alone train together where that is faster.

    Args:
        cfgs: the configs.
        decided: as `Together` takes it.
        waits: for another process that runs one.
        told: is called before something runs that has not begun.

    Raises:
        Busy: another process runs one.
        EncoreError: a run could not be run to its end.
    """
    found: dict[int, Result] = {}
    later: dict[int, dict] = {}
    problems: list[EncoreError] = []

    def start(cfg: dict, number: int, population: Population) -> None:
        try:
            found[number] = execute(cfg, lambda: [population.companion()], silent=True)
        except (Busy, Diverged):  # another process runs it, or its result has been written
            later[number] = cfg
        except EncoreError as problem:
            problems.append(problem)
            if isinstance(problem, Preempted):
                population.stop(problem)

    together = Together("auto", decided)
    new: dict[int, dict | None] = {number: cfg for number, cfg in enumerate(cfgs) if not begun(cfg)}
    for group in together.groups(new):
        size = together.size(group)
        if size is None:
            continue
        if not all(begun({**cfg, "population": size}) for cfg in group.configs.values()):
            told()
        for _ in together.train(group, size, start):
            if problems:
                raise problems[0]
    if not new.keys() <= found.keys() | later.keys():
        told()
    return [
        found[place] if place in found else result_of(later.get(place, cfg), waits) for place, cfg in enumerate(cfgs)
    ]


def begun(cfg: dict) -> bool:
    """Whether there is a run of a config."""
    known = identity(cfg)
    result = readable(folder_of(cfg, known))
    return result is not None and result.fingerprint == known.mark


def without(cfg: dict, paths: Sequence[str]) -> dict:
    """A config without some settings."""
    kept: dict[str, Any] = copy.deepcopy(cfg)
    for path in paths:
        *parents, last = path.split(".")
        node: Any = kept
        for key in parents:
            node = node.get(key) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)
    return kept
