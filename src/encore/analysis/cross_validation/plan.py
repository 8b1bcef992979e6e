"""What a cross-validation runs: each combination of values on every fold, and the chosen one on all examples."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from encore.config.combinations import axes, combinations, parsed
from encore.config.compose import composed, hydra_here, resolved
from encore.config.facts import OF_TRAINING, has_validation, leaves, look_up, monitored
from encore.errors import ConfigError
from encore.provenance.fingerprint import COSMETIC, fingerprint, hash_of

# Settings that cross-validation controls.
OURS = {
    "data.folds": "--folds says how many there are",
    "data.fold": "each is held out once",
    "test": "the last run alone reads the test set, once",
    "fresh": "it would repeat everything at every start; choose a new folder with runs_dir instead",
}


@dataclass(frozen=True)
class Candidate:
    """A combination of values to choose from.

    Attributes:
        values: by setting, as they are written.
        words: the overrides of its runs.
    """

    values: dict[str, str]
    words: tuple[str, ...]

    @property
    def label(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items())

    def on_fold(self, fold: int, folds: int) -> dict:
        """The config of a run that trains on all other folds, validates on this one, and is not tested."""
        return self.config({"data.folds": folds, "data.fold": fold, "test": False})

    def on_all(self) -> dict:
        """The config of a run that trains on all non-test data and is tested."""
        return self.config({"data.folds": None, "data.fold": 0, "data.val_fraction": 0})

    def config(self, changes: dict[str, Any]) -> dict:
        """The config that train.py would compose from these settings, without composing it from scratch each time."""
        changed = copy.deepcopy(self.common)
        for path, value in changes.items():
            OmegaConf.update(changed, path, value)
        return resolved(changed)

    @cached_property
    def common(self) -> DictConfig:
        """The unresolved config that its runs share."""
        return composed(list(self.words))


@dataclass(frozen=True)
class Plan:
    """A checked plan of a cross-validation.

    Attributes:
        candidates: two or more.
        folds: how many.
        metric: of the held-out fold; the choice is made by it.
        mode: `min` or `max`.
        mark: identifies the set of runs.
    """

    candidates: list[Candidate]
    folds: int
    metric: str
    mode: str
    mark: str

    @property
    def settings(self) -> list[str]:
        """The settings that have several values."""
        return list(self.candidates[0].values)


def plan(words: Sequence[str], folds: int) -> Plan:
    """Plan a cross-validation, and find mistakes before anything runs.

    Args:
        words: overrides as for train.py, some with several values, or with the file of a sweep that has some.
        folds: how many.

    Raises:
        ConfigError: there is nothing to choose from or by, or a combination cannot run or be compared.
    """
    if folds < 2:
        raise ConfigError(f"--folds {folds}: at least 2, of which one is held out")
    candidates = candidates_of(words)
    on_fold, on_all = [], []
    for candidate in tqdm(candidates, "composing", unit=" combinations", leave=False, disable=None, delay=1):
        with mistakes_of(f"{candidate.label}, on a fold"):
            on_fold.append(candidate.on_fold(0, folds))
            check_last_run(on_fold[-1])
        with mistakes_of(f"{candidate.label}, on all that is not for test"):
            on_all.append(candidate.on_all())
    marks = [fingerprint(cfg) for cfg in [*on_fold, *on_all]]
    if len(set(marks)) < len(marks):
        raise ConfigError(f"{', '.join(candidates[0].values)}: several of these values make the same run")
    check_metric(on_fold[0])
    check_comparable(on_fold)
    return Plan(candidates, folds, *monitored(on_fold[0]), hash_of([folds, marks]))


def candidates_of(words: Sequence[str]) -> list[Candidate]:
    """Every combination of the values given.

    Raises:
        ConfigError: there are fewer than two, or a setting is given that cross-validation controls.
    """
    with hydra_here() as loader:
        overrides = parsed(loader, [*of_file(words), *words])
        for each in overrides:
            check_given(each.get_key_element().lstrip("+"))
        jobs = combinations(overrides)
    names = [each.get_key_element() for each in overrides if each.is_sweep_override()]
    if len(jobs) < 2:
        raise ConfigError("there is nothing to choose from: optim.lr=1e-3,1e-2,1e-1 gives a setting three values")
    pairs = [dict(word.split("=", 1) for word in job) for job in jobs]
    return [Candidate({name: pair[name] for name in names}, tuple(job)) for pair, job in zip(pairs, jobs, strict=True)]


def of_file(words: Sequence[str]) -> list[str]:
    """The values that a sweep's file has, where `sweep=…` names one."""
    named = [word for word in words if word.startswith("sweep=")]
    return axes(composed(named, with_hydra=True).hydra.sweeper.params) if named else []


def check_given(name: str) -> None:
    """Raise ConfigError for a setting that cross-validation controls."""
    if name in OURS:
        raise ConfigError(f"{name}: leave it out; {OURS[name]}")
    if name.startswith(("hydra.", "hydra/")):
        raise ConfigError(
            f"{name}: here one run comes after the other; with any launcher, encore train -m … test=false "
            "data.folds=5 'data.fold=range(5)' makes the runs of the folds, which are then found"
        )


@contextmanager
def mistakes_of(run: str) -> Iterator[None]:
    """Name the run in a mistake's message."""
    try:
        yield
    except ConfigError as problem:
        raise ConfigError(f"{run}: {problem}") from problem


def check_last_run(cfg: dict) -> None:
    """Raise ConfigError if a run monitors the held-out fold, which the last run lacks."""
    for path in ("callbacks.early_stopping.monitor", "scheduler.monitor"):
        if str(metric := look_up(cfg, path)).startswith("val/"):
            raise ConfigError(
                f"{path}={metric}: the last run trains on all examples, and has none to follow it by; leave it out, "
                "and choose by the folds, such as trainer.max_epochs=10,20,40"
            )


def check_metric(cfg: dict) -> None:
    """Raise ConfigError if a run on a fold has no metric to choose by."""
    metric = cfg["monitor"]["metric"]
    if not has_validation(cfg):
        raise ConfigError("trainer.limit_val_batches=0 looks at no fold: leave it out")
    if not metric.startswith("val/"):
        raise ConfigError(f"monitor.metric={metric} is not of the fold that is held out: val/loss is")


def check_comparable(configs: Sequence[dict]) -> None:
    """Raise ConfigError if combinations differ in settings that must be the same."""
    common = [in_common(cfg) for cfg in configs]
    for name, value in common[0].items():
        if any(other.get(name) != value for other in common):
            raise ConfigError(f"{name} cannot be chosen by a metric: give it one value")


def in_common(cfg: dict) -> dict[str, Any]:
    """The settings that must be the same: the seed, the task, the metric and the examples."""
    aside = (*OF_TRAINING, *COSMETIC)
    data = {f"data.{name}": value for name, value in leaves(cfg["data"])}
    return {
        "seed": cfg["seed"],
        "data": cfg["data"]["name"],
        "task": cfg["task"]["_target_"],
        "monitor": cfg["monitor"],
        **{name: value for name, value in data.items() if not name.startswith(aside)},
    }
