"""A sweep, from what Hydra gives."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from encore.compose import literal
from encore.errors import ConfigError
from encore.sweep.grid import grid
from encore.sweep.launch import threads
from encore.sweep.settings import Settings

if TYPE_CHECKING:
    from hydra_plugins.encore_plugins import Encore


def sweep(sweeper: "Encore", arguments: Sequence[str]) -> None:
    """Run all combinations of values, or a search where there is a sampler.

    Args:
        sweeper: Hydra's, set up.
        arguments: the command line's overrides.

    Raises:
        ConfigError: what cannot be.
        SystemExit: runs that failed, with the worst of their exit codes.
    """
    settings = Settings.of(sweeper.settings)
    given = threads(sweeper.config.hydra.launcher)
    words = [
        *([f"threads={given}"] if given else []),
        *(f"{key}={value if isinstance(value, str) else literal(value)}" for key, value in settings.params.items()),
        *arguments,
    ]
    if settings.sampler is None:
        grid(sweeper, words, settings)
        return
    try:
        from encore.sweep.search import search
    except ModuleNotFoundError as missing:
        raise ConfigError(f"{missing.name} is not installed: uv pip install --editable '.[search]'") from missing
    search(sweeper, words, settings)
