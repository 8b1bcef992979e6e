"""A sweep, from what Hydra gives."""

from collections.abc import Sequence
from typing import Any

from encore.config.combinations import axes
from encore.config.hints import installing
from encore.errors import ConfigError
from encore.sweep.grid import grid
from encore.sweep.launch import threads
from encore.sweep.place import Setup
from encore.sweep.sweeper_settings import Settings


def sweep(setup: Setup, given: dict[str, Any], arguments: Sequence[str]) -> None:
    """Run all combinations of values, or a search if there is a sampler.

    Args:
        setup: what Hydra gives.
        given: the settings of `hydra.sweeper`.
        arguments: the command line's overrides.

    Raises:
        ConfigError: a setting of the sweep is invalid.
        SystemExit: runs failed; the code is the worst of theirs.
    """
    settings = Settings.of(given)
    count = threads(setup.config.hydra.launcher)
    words = [
        *([f"threads={count}"] if count else []),
        *axes(settings.params),
        *arguments,
    ]
    if settings.sampler is None:
        grid(setup, words, settings)
        return
    try:
        from encore.sweep.search import search
    except ModuleNotFoundError as missing:
        raise ConfigError(f"{missing.name} is not installed: {installing('search')}") from missing
    search(setup, words, settings)
