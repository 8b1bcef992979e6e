"""Every combination of the values given."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from tqdm import tqdm

from encore.config.combinations import Job, combinations, parsed, varying
from encore.config.facts import leaves
from encore.config.suggestion import suggestion
from encore.errors import ConfigError
from encore.sweep.composing import Composing
from encore.sweep.final_report import report
from encore.sweep.launch import launching
from encore.sweep.place import Setup
from encore.sweep.sweeper_settings import Settings


def grid(setup: Setup, words: Sequence[str], settings: Settings) -> None:
    """Run every combination, and report on them.

    Args:
        setup: what Hydra gives.
        words: overrides, some with several values.
        settings: the sweep's settings.

    Raises:
        ConfigError: a value cannot be part of a grid.
        SystemExit: a run failed.
    """
    jobs = combinations(parsed(setup.loader, words))
    names: set[str] = set()
    labels = varying(jobs) if len(jobs) > 1 else [[]]
    composing = Composing(setup.loader, setup.config)
    for job, label in zip(
        tqdm(jobs, "composing", unit=" runs", leave=False, disable=None, delay=1), labels, strict=True
    ):
        config = composed(composing, job)
        check_rate(config, [word.partition("=")[0] for word in label])
        names |= dict(leaves(config)).keys()
    check_by(settings.by, names)
    with launching(setup, len(jobs), settings.metric) as launch:
        found = launch.run(jobs, labels)
    outcomes = [outcome for _, outcome in sorted(found.items())]
    metric = settings.metric
    known = [name for outcome in outcomes for name in outcome.metrics]
    if known and metric not in known:
        metric = next(outcome.monitor for outcome in outcomes if outcome.metrics and outcome.monitor)
        print(f"\nno run has {settings.metric}{suggestion(settings.metric, known)}: {metric} instead", file=sys.stderr)
    folders = [Path(outcome.folder) for outcome in outcomes if outcome.folder]
    lost = [f"{launch.board.labels[each.number]}: {each.said}" for each in outcomes if not each.folder]
    report(folders, lost, setup.place.folder, settings.by, metric, lower=False)
    launch.end(max((outcome.code for outcome in outcomes), default=0))


def composed(composing: Composing, job: Job) -> dict[str, Any]:
    """A run's config, neither resolved nor checked: composition errors are found before the first run."""
    held: Any = OmegaConf.to_container(composing.of(job), resolve=False)
    del held["hydra"]
    return held


def check_rate(config: dict[str, Any], varied: Collection[str]) -> None:
    """Raise ConfigError if a sweep is over a learning rate that a run would choose by itself."""
    recipes = filter(None, (config.get("callbacks") or {}).values())
    if "optim.lr" in varied and any(str(recipe.get("_target_")).endswith(".LRFinder") for recipe in recipes):
        raise ConfigError(
            "optim.lr is varied, and callbacks.lr_finder chooses it: all these runs would be the same; leave one out"
        )


def check_by(by: Sequence[str] | None, names: set[str]) -> None:
    """Raise ConfigError if the report is to be grouped by a setting that no run has."""
    for name in by or ():
        if name not in names:
            raise ConfigError(f"hydra.sweeper.by: there is no setting {name}{suggestion(name, names)}")
