"""Every combination of the values given."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from tqdm import tqdm

from encore.errors import ConfigError
from encore.sweep.board import varying
from encore.sweep.launch import launching, report
from encore.sweep.settings import Settings

if TYPE_CHECKING:
    from hydra_plugins.encore_plugins import Encore


def grid(sweeper: "Encore", words: Sequence[str], settings: Settings) -> None:
    """Run every combination, and report on them.

    Args:
        sweeper: Hydra's, set up.
        words: overrides, some with several values.
        settings: of the sweep.

    Raises:
        ConfigError: a value cannot be part of a grid.
        SystemExit: a run failed.
    """
    overrides = parsed(sweeper, words)
    if endless := [each.input_line for each in overrides if each.is_interval_sweep()]:
        raise ConfigError(f"{', '.join(map(str, endless))}: hydra.sweeper.sampler=tpe searches an interval")
    jobs = BasicSweeper.split_arguments(overrides, None)[0]
    for job in tqdm(jobs, "composing", unit=" runs", leave=False, disable=None, delay=1):
        sweeper.validate_batch_is_legal([job])
    monitor, metric = sweeper.config.monitor, settings.metric
    with launching(sweeper, len(jobs), list(dict.fromkeys([monitor.metric, metric]))) as launch:
        launch.run(jobs, varying(jobs))
    board = launch.board
    outcomes = [outcome for _, outcome in sorted(board.outcomes.items())]
    if not any(metric in outcome.metrics for outcome in outcomes):
        metric = monitor.metric
    report(
        [Path(outcome.folder) for outcome in outcomes if outcome.folder],
        [f"{board.labels[each.number]}: {each.said}" for each in outcomes if not each.folder],
        report_folder(sweeper),
        settings.by,
        metric,
        metric == monitor.metric and monitor.mode == "min",
    )
    launch.end(max((outcome.code for outcome in outcomes), default=0))


def parsed(sweeper: "Encore", words: Sequence[str]) -> list[Override]:
    """Overrides in Hydra's grammar; of two for one setting the last one holds."""
    parser = OverridesParser.create(config_loader=sweeper.hydra_context.config_loader)
    return list({each.get_key_element(): each for each in parser.parse_overrides(list(words))}.values())


def report_folder(sweeper: "Encore") -> Path:
    """Where a sweep's report goes: above what its processes say to each other."""
    return Path(sweeper.config.hydra.sweep.dir).parents[1]
