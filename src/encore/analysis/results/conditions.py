"""Which runs, of many: conditions on settings, metrics and facts; read from a run only as far as they need it."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from encore.config.directions import mode_of
from encore.config.facts import MISSING, leaves
from encore.config.suggestion import suggestion
from encore.errors import ConfigError, InputError
from encore.files import read_json
from encore.provenance.former_names import present
from encore.record.reading import MANIFEST, refuse, settings
from encore.record.result import Result
from encore.terminal import counted

FACTS: dict[str, Callable[[Result], Any]] = {
    "started": lambda run: run.started[:16].replace("T", " "),
    "name": lambda run: run.name,
    "seed": lambda run: run.seed,
    "status": lambda run: run.status,
    "epochs": lambda run: run.epochs,
    "steps": lambda run: run.steps,
    "seconds": lambda run: run.seconds,
    "fingerprint": lambda run: run.fingerprint,
    "folder": lambda run: str(run.folder),
}
ALSO = {"run": "name"}  # other names of theirs
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "!=": lambda one, other: one != other,
    "<=": lambda one, other: one <= other,
    ">=": lambda one, other: one >= other,
    "==": lambda one, other: one == other,
    "=": lambda one, other: one == other,
    "<": lambda one, other: one < other,
    ">": lambda one, other: one > other,
}
CONDITION = re.compile(rf"\s*(?P<name>[^\s=!<>]+)\s*(?P<sign>{'|'.join(SIGNS)})(?P<value>.*)", re.S)
AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([dhmw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Condition:
    """A condition on a run, such as `optim.lr>0.01`."""

    name: str
    sign: str
    value: Any

    @classmethod
    def parse(cls, word: str) -> "Condition":
        """Read it as it is typed.

        Raises:
            ConfigError: it is none.
        """
        if (found := CONDITION.fullmatch(word)) is None:
            raise ConfigError(f"{word!r} is no condition: write one such as 'optim.lr>0.01' or status=finished")
        try:
            value = yaml.safe_load(found["value"])
        except yaml.YAMLError:
            value = found["value"].strip()
        return cls(ALSO.get(found["name"], found["name"]), found["sign"], value)

    def holds(self, actual: Any) -> bool:
        """Whether it is true of a value; of a run without one, only that it is not equal."""
        if actual is MISSING:
            return self.sign == "!="
        one, other = comparable(actual), comparable(self.value)
        if isinstance(one, float) != isinstance(other, float):
            return self.sign == "!="
        return SIGNS[self.sign](one, other)


def comparable(value: Any) -> float | str:
    """A value as a number if it is one, else as text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return str(value)


@dataclass
class Runs:
    """Runs, and what is known of them by name; configs are read once something asks for them.

    Attributes:
        found: the runs.
        unreadable: what could not be read of others.
    """

    found: list[Result]
    unreadable: list[str] = field(default_factory=list)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def check(self, names: Iterable[str]) -> None:
        """Check that each name is known of a run.

        Raises:
            ConfigError: one is not.
        """
        metrics = {metric for run in self.found for metric in run.metrics}
        for name in names:
            if name in FACTS or name in metrics or not self.found:
                continue
            runs = counted(self.found, len(self.found), "reading settings", " runs")
            known = {setting for run in runs for setting in self.settings(run)}
            if name not in known:
                near = suggestion(name, {*FACTS, *metrics, *known})
                raise ConfigError(f"no run has {name}{near or ', which is no setting, metric or fact of a run'}")

    def value(self, run: Result, name: str) -> Any:
        """A fact, metric or setting of a run; `MISSING` if it has none."""
        if name in FACTS:
            return FACTS[name](run)
        if name in run.metrics:
            return run.metrics[name]
        return self.settings(run).get(name, MISSING)

    def settings(self, run: Result) -> dict[str, Any]:
        """A run's settings by dotted path, what a callback chose for one among them; none if they cannot be read."""
        key = str(run.folder)
        if key not in self.configs:
            try:
                manifest = read_json(run.folder / MANIFEST)
                config, chosen = manifest.get("config"), manifest.get("chosen", {})
                refuse(run.folder / MANIFEST, "run's manifest", settings(config) or settings(chosen))
                self.configs[key] = dict(leaves(present(config))) | chosen
            except (InputError, AttributeError) as problem:
                self.unreadable.append(str(problem))
                self.configs[key] = {}
        return self.configs[key]

    def where(self, conditions: Sequence[Condition], since: datetime | None = None) -> "Runs":
        """Those of which all conditions are true.

        Raises:
            ConfigError: one is on what no run has.
        """
        self.check(condition.name for condition in conditions)
        kept = [
            run
            for run in self.found
            if (since is None or when(run) >= since)
            and all(condition.holds(self.value(run, condition.name)) for condition in conditions)
        ]
        return Runs(kept, self.unreadable, self.configs)

    def sorted(self, by: str) -> "Runs":
        """By a value: a metric's best first, anything else upwards; `-NAME` downwards. Runs without it come last.

        Raises:
            ConfigError: no run has it.
        """
        down, name = by.startswith("-"), by.removeprefix("-")
        name = ALSO.get(name, name)
        self.check([name])
        is_metric = any(name in run.metrics for run in self.found)
        down = down or (is_metric and mode_of(name) != "min")
        values = [(run, self.value(run, name)) for run in self.found]
        known = [(run, comparable(value)) for run, value in values if value is not MISSING and not is_nan(value)]
        order: list[Result] = []
        for kind in (float, str):  # which cannot be compared with each other
            of_kind = [pair for pair in known if isinstance(pair[1], kind)]
            order += [run for run, _ in sorted(of_kind, key=lambda pair: pair[1], reverse=down)]
        unknown = [run for run, value in values if value is MISSING or is_nan(value)]
        return Runs(order + unknown, self.unreadable, self.configs)


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def when(run: Result) -> datetime:
    """When a run started; at the beginning of time if it does not say."""
    try:
        started = datetime.fromisoformat(run.started)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return started if started.tzinfo else started.replace(tzinfo=UTC)


def since(word: str) -> datetime:
    """A time as it is typed: a date, with or without the time of day (UTC), or how long ago: `3d`, `12h`, `30m`, `2w`.

    Raises:
        ConfigError: it is none.
    """
    try:
        if found := AGO.fullmatch(word.strip()):
            return datetime.now(UTC) - timedelta(**{UNITS[found[2]]: float(found[1])})
        point = datetime.fromisoformat(word)
    except (ValueError, OverflowError) as problem:
        raise ConfigError(
            f"--since {word}: write a date such as 2026-11-01, or how long ago: 3d, 12h, 30m"
        ) from problem
    return point if point.tzinfo else point.replace(tzinfo=UTC)
