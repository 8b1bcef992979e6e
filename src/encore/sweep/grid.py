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
from encore.config.traits import chosen_by
from encore.errors import ConfigError
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
    for job, label in zip(
        tqdm(jobs, "composing", unit=" runs", leave=False, disable=None, delay=1), labels, strict=True
    ):
        config = composed(setup, job)
        check_chosen(config, [word.partition("=")[0] for word in label])
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


def composed(setup: Setup, job: Job) -> dict[str, Any]:
    """A run's config, neither resolved nor checked: composition errors are found before the first run."""
    config = setup.loader.load_sweep_config(setup.config, list(job))
    held: Any = OmegaConf.to_container(config, resolve=False)
    del held["hydra"]
    return held


def check_chosen(config: dict[str, Any], varied: Collection[str]) -> None:
    """Raise ConfigError if a sweep is over a setting that a run's callback chooses, such as a learning rate."""
    for setting, callback in chosen_by({"callbacks": config.get("callbacks")}).items():
        if setting in varied:
            raise ConfigError(
                f"{setting} is varied, and callbacks.{callback} chooses it: all these runs would be the same; leave "
                "one out"
            )


def check_by(by: Sequence[str] | None, names: set[str]) -> None:
    """Raise ConfigError if the report is to be grouped by a setting that no run has."""
    for name in by or ():
        if name not in names:
            raise ConfigError(f"hydra.sweeper.by: there is no setting {name}{suggestion(name, names)}")
